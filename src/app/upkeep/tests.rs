//! Stops in the middle of long work.

use serde_json::value::RawValue;
use tempfile::TempDir;

use super::*;
use crate::admin::view::View;
use crate::app::parts::Accounts;
use crate::clock::{Clock, Millis};
use crate::journal::dead::DeadFilter;
use crate::journal::requests::{DeadLetters, Request};
use crate::journal::sqlite::{Journal, Options};
use crate::journal::{
    BatchLimit, DatedRecord, Lane, Page, Partition, Refused, RefusedKind, Rejected, Settlement, StartAt,
};
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{AccountUid, Envelope, Marker, Record, RecordKind, Stream};
use crate::telemetry::Metrics;

const START: Millis = Millis(1_795_212_000_000);
const RECORDS: u64 = 4_000;

fn partition(lane: Lane) -> Partition {
    Partition { account: AccountUid::new("ab1c0002"), lane }
}

fn record(id: u64) -> DatedRecord {
    let envelope = Envelope {
        account: AccountUid::new("ab1c0002"),
        kind: RecordKind::ActivityUser,
        native_id: id.to_string(),
        marker: Marker::Once,
        site: SiteRef::None,
        device: DeviceRef::None,
        path: "/v2/activity-logs".into(),
        received_at: START,
        changed: Vec::new(),
        synthesized: false,
    };
    DatedRecord { record: Record { envelope, source: RawValue::from_string("{}".into()).unwrap() }, dated: START }
}

fn page() -> Page {
    Page {
        account: AccountUid::new("ab1c0002"),
        stream: Stream::Activity,
        lane: Lane::Live,
        received_at: START,
        cursors: Vec::new(),
        alerts: Vec::new(),
        records: Vec::new(),
        rejected: Vec::new(),
    }
}

fn open(folder: &TempDir) -> Shared {
    open_of(folder, 1 << 40)
}

fn open_of(folder: &TempDir, max_bytes: u64) -> Shared {
    let day = Duration::from_secs(86_400);
    let options = Options { retain: day, max_bytes, hold_for: day };
    let clock = Clock::manual(START);
    let journal = Journal::open(&folder.path().join("test.db"), options, clock.clone()).unwrap();
    Shared { journal, clock, metrics: Metrics::default(), accounts: Accounts::default() }
}

/// A journal in which each record is a dead letter of the sink `s`.
async fn of_dead_letters(folder: &TempDir) -> Shared {
    let shared = open(folder);
    shared.journal.use_sinks(vec![("s".into(), StartAt::Oldest)]).await.unwrap();
    let page = Page { records: (0..RECORDS).map(record).collect(), ..page() };
    shared.journal.commit(page).await.unwrap();
    let many = BatchLimit { records: 100_000, bytes: 1 << 30 };
    while let Some(attempt) = shared.journal.read("s", &partition(Lane::Live), many).await.unwrap() {
        let dead = attempt.items.iter().map(|item| Refused {
            place: item.place.clone(),
            replay: 0,
            kind: RefusedKind::Refused,
            reason: "too large".into(),
            among: Vec::new(),
        });
        let settlement = Settlement {
            sink: "s".into(),
            partition: partition(Lane::Live),
            from: attempt.from,
            to: attempt.to,
            version: attempt.directory.version,
            sent: 0,
            skipped: 0,
            dead: dead.collect(),
        };
        shared.journal.settle(settlement).await.unwrap();
    }
    shared
}

async fn letters(journal: &Journal) -> u64 {
    journal.usage().await.unwrap().dead_letters
}

/// Serves requests, and stops once the journal has changed `steps` times.
async fn serve_until_changed(shared: &Shared, steps: u32) {
    let stop = CancellationToken::new();
    let (mut changed, stopping) = (shared.journal.changed(), stop.clone());
    let watch = async move {
        for _ in 0..steps {
            changed.changed().await.unwrap();
        }
        stopping.cancel();
    };
    let serving = tokio::time::timeout(Duration::from_secs(60), serve_requests(shared.clone(), stop));
    let (served, ()) = tokio::join!(serving, watch);
    served.expect("a stop ends the serving").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_during_a_long_replay_is_prompt_and_the_next_start_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut shared = of_dead_letters(&folder).await;
    let all = shared.journal.dead_letters(DeadFilter::default()).await.unwrap();
    let (by_number, by_sink): (Vec<u64>, _) =
        (all.iter().map(|letter| letter.id).collect(), DeadLetters::Sink("s".into()));
    assert_eq!(letters(&shared.journal).await, RECORDS);
    // Half of them are named, then the rest goes by its sink.
    let half = by_number.iter().copied().filter(|id| id % 2 == 0).collect();
    for (asked, left) in [(DeadLetters::Ids(half), RECORDS / 2), (by_sink, 0)] {
        let before = letters(&shared.journal).await;
        let number = shared.journal.ask(Request::ReplayDead(asked)).await.unwrap();
        serve_until_changed(&shared, 2).await;
        assert!(shared.journal.is_waiting(number).await.unwrap(), "the stop came in the middle");
        let meanwhile = letters(&shared.journal).await;
        assert!(meanwhile < before && meanwhile > left, "{before}, {meanwhile}, {left}");
        shared.journal.close().await.unwrap();
        shared = open(&folder);
        let stop = CancellationToken::new();
        let wait = async {
            while shared.journal.is_waiting(number).await.unwrap() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            stop.cancel();
        };
        let (served, ()) = tokio::join!(serve_requests(shared.clone(), stop.clone()), wait);
        served.unwrap();
        assert_eq!(shared.journal.answer(number).await.unwrap(), Some(Served::Replayed(RECORDS / 2)));
        assert_eq!(letters(&shared.journal).await, left);
    }
    // Each record once, those of a request in their order.
    let many = BatchLimit { records: 100_000, bytes: 1 << 30 };
    let again = shared.journal.read("s", &partition(Lane::Replayed), many).await.unwrap().unwrap();
    let mut seqs: Vec<u64> = again.items.iter().map(|item| item.place.seq).collect();
    assert!(seqs.chunks(usize::try_from(RECORDS / 2).unwrap()).all(|half| half.is_sorted()));
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=RECORDS).collect::<Vec<_>>());
}

#[tokio::test]
async fn unreadable_items_that_left_for_newer_ones_are_counted_in_the_status_and_in_the_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let Shared { journal, clock, metrics, .. } = open_of(&folder, 200_000);
    let view = View { journal, metrics, clock, started: Some(START), accounts: Vec::new(), sinks: Vec::new() };
    let counted = "vintner_dead_letters_dropped_total ";
    assert!(
        view.metrics_text().await.unwrap().contains(&format!("{counted}0\n")),
        "the counter is there from the start"
    );
    let item = |n: u32| {
        let noise: String = std::iter::repeat_with(fastrand::alphanumeric).take(1_000).collect();
        Rejected { path: "/v2/activity-logs".into(), reason: "no id".into(), content: format!("[{n},\"{noise}\"]") }
    };
    view.journal.commit(Page { rejected: (0..100).map(item).collect(), ..page() }).await.unwrap();
    let dropped = view.report().await.unwrap().journal.dead_letters_dropped;
    assert!((60..100).contains(&dropped), "{dropped}");
    assert!(view.metrics_text().await.unwrap().contains(&format!("{counted}{dropped}\n")));
}
