//! The simulated Datto RMM seen from outside: requests in, replies out, time in our hands.

mod alerts;
mod auth;
mod control;
mod faults;
mod log;
mod routes;
mod wire;
mod world;

use std::time::Duration;

use serde_json::Value;

use crate::clock::{Clock, Millis};
use crate::sim::command::{Act, Command};
use crate::sim::reply::Reply;
use crate::sim::world::Options;
use crate::sim::{Request, Sim};

/// 2026-11-20T22:05:45Z.
const START: Millis = Millis(1_795_212_345_000);

const HOST: &str = "http://127.0.0.1:1234";

/// A client that has logged in.
struct Client {
    sim: Sim,
    token: String,
}

impl Client {
    fn new(options: Options) -> Self {
        let sim = Sim::new(options, Clock::manual(START));
        let token = login(&sim).expect("the login is good");
        Self { sim, token }
    }

    fn get(&self, path_and_query: &str) -> Reply {
        self.sim.handle(&Request {
            method: "GET".to_owned(),
            path_and_query: path_and_query.strip_prefix(HOST).unwrap_or(path_and_query).to_owned(),
            authorization: Some(format!("Bearer {}", self.token)),
            body: Vec::new(),
            host: HOST.to_owned(),
        })
    }

    fn json(&self, path_and_query: &str) -> Value {
        let reply = self.get(path_and_query);
        assert_eq!(reply.status, 200, "{path_and_query}: {}", String::from_utf8_lossy(&reply.body));
        serde_json::from_slice(&reply.body).unwrap()
    }

    /// Follows `nextPageUrl` to the end and returns all items.
    fn walk(&self, path_and_query: &str, array: &str) -> Vec<Value> {
        let (mut items, mut next) = (Vec::new(), Some(path_and_query.to_owned()));
        while let Some(url) = next {
            let page = self.json(&url);
            items.extend(page[array].as_array().unwrap().iter().cloned());
            next = page["pageDetails"]["nextPageUrl"].as_str().map(str::to_owned);
        }
        items
    }

    /// Makes something happen and returns the uid of what it happened to.
    fn act(&self, command: Command) -> String {
        self.sim.apply(&command).unwrap().uid.unwrap()
    }

    /// Makes something happen that has no uid.
    fn act_unnamed(&self, kind: Act) {
        self.sim.apply(&Command { kind, ..Command::default() }).unwrap();
    }

    fn open(&self) -> String {
        self.act(Command { kind: Act::OpenAlert, ..Command::default() })
    }

    fn resolve(&self, uid: &str) {
        self.act(Command { kind: Act::ResolveAlert, uid: Some(uid.to_owned()), ..Command::default() });
    }
}

fn login_with(sim: &Sim, authorization: &str, form: &str) -> Reply {
    sim.handle(&Request {
        method: "POST".to_owned(),
        path_and_query: "/auth/oauth/token".to_owned(),
        authorization: Some(authorization.to_owned()),
        body: form.as_bytes().to_vec(),
        host: HOST.to_owned(),
    })
}

const BASIC: &str = "Basic cHVibGljLWNsaWVudDpwdWJsaWM=";
const FORM: &str = "grant_type=password&username=SIMULATEDKEY0001&password=simulated%2Bsecret%2F0001%26%3D";

fn login(sim: &Sim) -> Option<String> {
    let reply = login_with(sim, BASIC, FORM);
    let body: Value = serde_json::from_slice(&reply.body).ok()?;
    body["access_token"].as_str().map(str::to_owned)
}

fn uids(items: &[Value], key: &str) -> Vec<String> {
    items.iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}
