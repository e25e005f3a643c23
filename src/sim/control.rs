//! `/sim/…`: what tests in any language use to cause events and faults, and to judge what became of them.

use serde_json::json;

use crate::sim::Request;
use crate::sim::command::Command;
use crate::sim::fault::{Faults, Rule};
use crate::sim::reply::Reply;
use crate::sim::service::Service;

/// Answers a request below `/sim/`. These requests count in no quota and need no token.
pub(crate) fn answer(service: &mut Service, request: &Request, path: &str) -> Reply {
    match (request.method.as_str(), path) {
        ("GET", "/sim/truth") => written(&service.truth()),
        ("GET", "/sim/requests") => written(&service.traffic()),
        ("POST", "/sim/faults") => faults(service, &request.body),
        ("POST", "/sim/events") => events(service, &request.body),
        (_, "/sim/truth" | "/sim/requests" | "/sim/faults" | "/sim/events") => refused(405, "method not allowed"),
        _ => refused(404, "there are /sim/truth, /sim/requests, /sim/faults and /sim/events"),
    }
}

/// An object replaces all faults; an array of rules adds to them.
fn faults(service: &mut Service, body: &[u8]) -> Reply {
    if is_array(body) {
        match serde_json::from_slice::<Vec<Rule>>(body) {
            Ok(rules) => service.injector.add(rules),
            Err(problem) => return refused(400, &problem.to_string()),
        }
    } else {
        match serde_json::from_slice::<Faults>(body) {
            Ok(faults) => service.injector.replace(faults),
            Err(problem) => return refused(400, &problem.to_string()),
        }
    }
    Reply::json(200, &json!({}))
}

/// One command or an array of them. The answer tells for each what it was about, or why it did nothing.
fn events(service: &mut Service, body: &[u8]) -> Reply {
    let parsed = if is_array(body) {
        serde_json::from_slice::<Vec<Command>>(body)
    } else {
        serde_json::from_slice::<Command>(body).map(|command| vec![command])
    };
    let commands = match parsed {
        Ok(commands) => commands,
        Err(problem) => return refused(400, &problem.to_string()),
    };
    let mut status = 200;
    let results = commands.iter().map(|command| match service.apply(command) {
        Ok(applied) => json!(applied),
        Err(problem) => {
            status = 409;
            json!({"error": problem.to_string()})
        }
    });
    let results: Vec<_> = results.collect();
    Reply::json(status, &json!(results))
}

fn is_array(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

fn written(value: &impl serde::Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => Reply::of_bytes(200, body),
        Err(problem) => refused(500, &problem.to_string()),
    }
}

fn refused(status: u16, problem: &str) -> Reply {
    Reply::json(status, &json!({"error": problem}))
}
