//! Kafka, exactly once, at the moment of the commit itself: what goes away then, and how, for the request that asks for it and for
//! the answer that confirms it.

use std::time::Duration;

use serde_json::json;

use super::broker::Broker;
use super::door::{Door, Moment};
use super::kafka_crash::live_world;
use super::kafka_faults::{PATIENCE, QUICK, Running, log, says, sink};
use super::verify::verify;
use crate::simulated::Simulated;
use crate::workplace::{Workplace, ids, wait_for};

/// What vintner says when it learns at its start that the last batch had been committed.
const TAKEN_OVER: &str = "the last batch had been committed";

/// What happens while the door is shut.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Nothing but that.
    Wait(Duration),
    /// The broker is killed and starts again.
    Broker,
    /// vintner is killed and starts again.
    Vintner,
    /// Both.
    Both,
}

/// Shorter than one attempt of a commit, and longer than several.
const ACTS: [Act; 5] =
    [Act::Wait(Duration::from_millis(300)), Act::Wait(Duration::from_secs(9)), Act::Broker, Act::Vintner, Act::Both];

#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn whatever_goes_away_at_the_moment_of_the_commit_nothing_is_lost_or_repeated() {
    let mut broker = Broker::start();
    let door = Door::open(&broker);
    let simulated = Simulated::start(&live_world(78));
    let more = format!("create_topics = true\n{QUICK}");
    let place = Workplace::new(&simulated, &sink(&door.endpoint, "moment", &more));
    let mut running = Running::start(&place);
    says(&place, &["topic created", "moment.offsets"]);
    for moment in [Moment::Before, Moment::At, Moment::After] {
        for act in ACTS {
            // The batch of the moment is one of this run, not what a start finds.
            let before = broker.committed("moment").len();
            wait_for(PATIENCE, || (broker.committed("moment").len() > before).then_some(()));
            door.falls_shut(moment, PATIENCE);
            let restarts = matches!(act, Act::Vintner | Act::Both);
            if restarts {
                running.kill();
                running = Running::start(&place);
            }
            match act {
                Act::Wait(silence) => std::thread::sleep(silence),
                Act::Broker | Act::Both => broker.crash(Duration::from_millis(200)),
                Act::Vintner => {}
            }
            assert!(!restarts || !log(&place).contains(TAKEN_OVER), "before anybody could know: {moment:?}, {act:?}");
            door.open_again();
            match moment {
                Moment::After if restarts => drop(says(&place, &[TAKEN_OVER])),
                Moment::Before if restarts => {
                    let before = broker.committed("moment").len();
                    wait_for(PATIENCE, || (broker.committed("moment").len() > before).then_some(()));
                    assert!(!log(&place).contains(TAKEN_OVER), "nothing was committed: {act:?}");
                }
                Moment::Before | Moment::At | Moment::After => {}
            }
            assert!(!log(&place).contains("sink stopped"), "{moment:?}, {act:?}: {}", log(&place));
        }
    }
    running.stop();
    place.once();
    let events = broker.events("moment");
    let repeated = ids(&events).values().filter(|count| **count > 1).count();
    let (code, report, said) = verify(&place);
    println!("{} events, {repeated} repeated: {report}", events.len());
    assert_eq!(repeated, 0, "events came twice");
    assert_eq!((code, &report["lost"], &report["found"]), (0, &json!(0), &json!(events.len())), "{report} {said}");
}
