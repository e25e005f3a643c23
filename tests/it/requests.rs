//! Commands that change something, with a running instance and without one.

use std::time::Duration;

use crate::once::still_world;
use crate::simulated::Simulated;
use crate::workplace::{Workplace, events, ids, wait_for};

const ARCHIVE: &str = "[sinks.file.archive]\npath = \"events.ndjson\"\n";

fn archived(place: &Workplace) -> usize {
    events(&std::fs::read(place.path("events.ndjson")).unwrap()).len()
}

#[test]
fn a_replay_repeats_what_was_delivered_with_equal_ids_alone_and_beside_a_running_instance() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, ARCHIVE);
    place.once();
    let all = archived(&place);

    let output = place.run(&["replay", "--sink", "archive"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{all} records will be sent again by `vintner run`\n"));
    assert_eq!(place.once().len(), 0, "only the sink that was named");
    let twice = events(&std::fs::read(place.path("events.ndjson")).unwrap());
    assert_eq!(twice.len(), 2 * all);
    assert!(ids(&twice).values().all(|count| *count == 2));

    let mut running = place.spawn(&["run"], "out");
    // A command that came first would take the journal itself, and the instance would end.
    wait_for(Duration::from_secs(30), || place.path("vintner.db-wal").exists().then_some(()));
    wait_for(Duration::from_secs(30), || {
        let output = place.run(&["replay", "--sink", "archive", "--since", "1h"]);
        let told = format!("{all} records will be sent again by the running instance\n");
        let (said, again) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let is_late = said.contains("waits for the running instance");
        assert!(output.status.success() && (said == told || is_late), "{said}{again}");
        (said == told).then_some(())
    });
    for (refused, code) in [(&["replay", "--sink", "nobody"][..], 2), (&["dead-letters", "drop", "99"], 1)] {
        let output = place.run(refused);
        assert_eq!(output.status.code(), Some(code), "{refused:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
    wait_for(Duration::from_secs(60), || (archived(&place) >= 3 * all).then_some(()));
    running.kill().unwrap();
    running.wait().unwrap();

    let output = place.run(&["replay", "--sink", "nobody"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no sink `nobody`"));
    let output = place.run(&["dead-letters", "drop", "99"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no dead letter 99: nothing was done"));
    let output = place.run(&["dead-letters", "show", "99"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(place.run(&["dead-letters", "replay"]).status.code(), Some(2), "which ones must be said");
}
