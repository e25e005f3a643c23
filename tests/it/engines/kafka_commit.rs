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
use crate::workplace::{Workplace, account, ids, wait_for};

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

/// How long a broker gets to mark what it has just committed. Killed before that, Apache Kafka 4.3.1 may forget to: its coordinator,
/// loaded before it knows the topics again, takes the transaction for complete, and it stays open for ever (docs/kafka.md).
const MARKING: Duration = Duration::from_secs(1);

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
                Act::Broker | Act::Both => {
                    std::thread::sleep(if moment == Moment::Before { Duration::ZERO } else { MARKING });
                    broker.crash(Duration::from_millis(200));
                }
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

/// A reload replaces a sink whose producer is still being let in: it must not be let in after its successor.
#[test]
#[ignore = "needs Apache Kafka: tests/engines/run"]
fn a_sink_that_is_replaced_while_it_opens_does_not_shut_its_successor_out() {
    let broker = Broker::start();
    let door = Door::open(&broker);
    let simulated = Simulated::start(&live_world(79));
    let configured = |linger: u8| {
        let more = format!("create_topics = true\nlibrdkafka = {{ \"linger.ms\" = \"{linger}\" }}\n{QUICK}");
        let account = account("acme", simulated.text("api_url"));
        format!("{account}\n{}", sink(&door.endpoint, "replaced", &more))
    };
    let place = Workplace::new(&simulated, "");
    place.configure(&configured(1));
    let running = Running::start(&place);
    door.holds_the_next_producer(PATIENCE);
    place.configure(&configured(2));
    running.signal("-HUP");
    says(&place, &["the changed configuration is in force"]);
    let more_than =
        |before: usize| wait_for(PATIENCE, || Some(broker.committed("replaced").len()).filter(|count| *count > before));
    let before = more_than(0);
    door.let_pass();
    // Long enough for the producer before, were it still there, to be let in.
    std::thread::sleep(Duration::from_secs(5));
    more_than(before + 50);
    assert!(!log(&place).contains("sink stopped"), "{}", log(&place));
    running.stop();
    place.once();
    let (code, report, said) = verify(&place);
    assert_eq!((code, &report["lost"], &report["repeated"]), (0, &json!(0), &json!(0)), "{report} {said}");
}
