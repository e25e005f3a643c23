//! A resolved pass ends early only on rows that were known when the last complete one began.

use std::collections::HashSet;

use crate::app::testing::Fixture;
use crate::clock::Millis;
use crate::collect::alerts::Thoroughness;
use crate::collect::alerts::fields::Updates;
use crate::collect::alerts::look::Rules;
use crate::collect::alerts::open;
use crate::collect::alerts::resolved::Resolved;
use crate::collect::alerts::vanished::LookUps;
use crate::sim::command::{Act, Command};
use crate::sim::world::Options as World;

fn act(fixture: &Fixture, kind: Act, uid: Option<&str>) -> String {
    let command = Command { kind, uid: uid.map(str::to_owned), ..Command::default() };
    fixture.sim.apply(&command).unwrap().uid.unwrap()
}

async fn later(seconds: u64) {
    tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_row_behind_alerts_that_look_ups_closed_between_passes_is_found_by_the_next_pass() {
    let world = World { seed: 820, resolved_alerts: 6, page_cap: 1, ..World::quiet() };
    let fixture = Fixture::new("lookups", world, "").await;
    let source = fixture.task.connect_once(&fixture.shared).await.unwrap();
    let rules = Rules { cut: Millis(i64::MIN), updates: Updates::All };
    let mut resolved = Resolved::default();
    for (requests, why) in [(6, "the first pass sweeps"), (6, "nothing was known when it began"), (2, "now all is")] {
        assert_eq!(resolved.walk(&source, rules).await.unwrap().requests, requests, "{why}");
    }

    let closed: Vec<String> = (0..3).map(|_| act(&fixture, Act::OpenAlert, None)).collect();
    open::walk(&source, rules, source.api_now()).await.unwrap();
    // Opened and resolved between two polls: only the resolved list shows it.
    let brief = act(&fixture, Act::OpenAlert, None);
    later(1).await;
    act(&fixture, Act::ResolveAlert, Some(&brief));
    later(1).await;
    for uid in &closed {
        act(&fixture, Act::ResolveAlert, Some(uid));
    }
    let uids: HashSet<String> = closed.iter().cloned().collect();
    let known = fixture.sim.truth().alerts.iter().rev().take(1).map(|alert| alert.uid.clone()).collect();
    LookUps::default().run(&source, rules, uids, known, Thoroughness::Whole).await.unwrap();
    let emitted =
        |records: &[crate::record::Record], uid: &str| records.iter().filter(|r| r.envelope.native_id == uid).count();
    let records = fixture.records().await;
    assert!(closed.iter().all(|uid| emitted(&records, uid) == 2), "look-ups closed them: {records:?}");
    assert_eq!(emitted(&records, &brief), 0);

    let walk = resolved.walk(&source, rules).await.unwrap();
    assert_eq!(emitted(&fixture.records().await, &brief), 2, "opened and resolved");
    assert_eq!(walk.requests, 6, "three rows that were not known before, the new one, and two pages that were");
    let walk = resolved.walk(&source, rules).await.unwrap();
    assert_eq!(walk.requests, 2, "now they are known");
}
