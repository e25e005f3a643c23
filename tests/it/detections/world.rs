//! A simulated account in simulated time, and what vintner emits for it: collectors, derived records, mapping and lens are the real ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use vintner::app::tail::{Begin, BrokenToo, Tail, Wanted, What};
use vintner::clock::{Clock, Millis};
use vintner::deliver::route::Route;
use vintner::event::Event;
use vintner::journal::tail::HeldToo;
use vintner::normalize::lens::Lens;
use vintner::normalize::{Format, Options};
use vintner::sim::command::Command;
use vintner::sim::truth::Truth;
use vintner::sim::world::Options as World;

use super::form::Form;
use super::otlp;
use super::search::Emitted;
use crate::day::Polling;

/// When the simulated time begins: Friday, 20 November 2026, 22:00 UTC.
pub(crate) const BEGIN: i64 = 1_795_212_000_000;
/// The Monday after it, 00:00 UTC.
pub(crate) const MONDAY: i64 = BEGIN + (2 + 48) * 3_600_000;

/// Something that happens at a time.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Epoch milliseconds.
    pub(crate) at: i64,
    /// A command to the simulation, with names in place of uids.
    pub(crate) command: Value,
}

/// An account in which nothing happens by itself: six customers with devices of their own.
pub(crate) fn quiet() -> World {
    World { sites: 8, devices: 64, activity_delay_max_ms: 0, ..World::quiet() }
}

/// Lets the steps happen, and some time after the last one. Returns what vintner emits, in the order in which it happened.
pub(crate) fn emitted(world: World, poll: &str, steps: &[Step], after: Duration) -> Vec<Emitted> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let (ocsf, ecs) = runtime.block_on(async {
        let polling = Polling::start(world, poll).await;
        // The first pass: what there is now is known before anything happens.
        polling.pass(Duration::from_secs(3600)).await;
        let mut now = BEGIN + 3_600_000;
        for step in steps {
            assert!(step.at >= now, "steps go back in time: {step:?}");
            polling.pass(Duration::from_millis(u64::try_from(step.at - now).unwrap())).await;
            now = step.at;
            let command = named(&step.command, &polling.sim.truth());
            let command: Command =
                serde_json::from_value(command).unwrap_or_else(|error| panic!("{error}: {}", step.command));
            polling.sim.apply(&command).unwrap_or_else(|error| panic!("{error}: {}", step.command));
        }
        polling.pass(after).await;
        (events(&polling, Format::Ocsf).await, events(&polling, Format::Ecs).await)
    });
    let otlp = otlp::sent(&ocsf);
    let json = |event: &Event| serde_json::from_str::<Value>(&event.json).unwrap();
    let events = ocsf.iter().zip(&ecs).zip(otlp);
    let mut emitted: Vec<Emitted> = events
        .map(|((ocsf, ecs), otlp)| {
            assert_eq!(
                (ocsf.id, otlp["attributes"]["log.record.uid"].as_str()),
                (ecs.id, Some(ocsf.id.to_string().as_str()))
            );
            let forms = BTreeMap::from([(Form::Ocsf, json(ocsf)), (Form::Ecs, json(ecs)), (Form::Otlp, otlp)]);
            let time = ocsf.pivots.time;
            // Hours and counts come out the same in each form.
            assert_eq!(forms[&Form::Ecs]["@timestamp"], time.to_string());
            assert_eq!(forms[&Form::Otlp]["time"], time.as_i64());
            Emitted { time: time.as_i64(), forms }
        })
        .collect();
    emitted.sort_by_key(|event| event.time);
    emitted
}

/// Everything in the journal, as a sink would get it.
async fn events(polling: &Polling, format: Format) -> Vec<Event> {
    let lens = Arc::new(Lens { api_users: vec!["svc-vintner".to_owned()], ..Lens::shipped() });
    let options = Options { format, lens, ..Options::default() };
    let wanted = Wanted { route: Route::default(), account: None, held: HeldToo::No, broken: BrokenToo::Yes };
    let journal = polling.view.journal.clone();
    let mut tail = Tail::open(journal, Clock::system(), options, wanted, Begin::Since(Millis(0))).await.unwrap();
    let mut events = Vec::new();
    loop {
        let step = tail.step().await.unwrap();
        assert_eq!(step.missed, 0);
        for shown in step.shown {
            match shown.what {
                What::Event(event) => events.push(*event),
                What::Broken(why) | What::Held(why) => panic!("{why}: {:?}", shown.record),
            }
        }
        if step.is_end {
            return events;
        }
    }
}

/// The command with uids in place of `<device:S:N>`, the N-th computer of the S-th customer, and `<host:S:N>`, `<site:S>`, `<site_id:S>`,
/// `<site_name:S>`. Details that are an object become the text that Datto RMM sends.
fn named(command: &Value, truth: &Truth) -> Value {
    let mut text = command.to_string();
    while let Some(start) = text.find('<') {
        let end = start + text[start..].find('>').expect("a name ends");
        let found = one(&text[start + 1..end], truth);
        text.replace_range(start..=end, &found);
    }
    let mut command: Value = serde_json::from_str(&text).unwrap();
    if command["details"].is_object() {
        command["details"] = json!(command["details"].to_string());
    }
    command
}

fn one(name: &str, truth: &Truth) -> String {
    let parts: Vec<&str> = name.split(':').collect();
    let number = |n: usize| parts[n].parse::<usize>().unwrap_or_else(|_| panic!("<{name}>"));
    let site = &truth.sites[number(1)];
    // Those with an agent: others have no antivirus, and no screen.
    let is_computer = |host: &str| ["DESKTOP", "LAPTOP", "SRV"].iter().any(|kind| host.to_uppercase().contains(kind));
    let mut computers = truth.devices.iter().filter(|device| device.site == site.uid && is_computer(&device.hostname));
    let mut device = || computers.nth(number(2)).expect("a device");
    match parts[0] {
        "device" => device().uid.clone(),
        "host" => device().hostname.clone(),
        "site" => site.uid.clone(),
        "site_id" => site.id.to_string(),
        "site_name" => site.name.clone(),
        other => panic!("{other} is not understood"),
    }
}
