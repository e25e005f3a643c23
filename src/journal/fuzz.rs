//! What the fuzz target `request_row` does with a row that a command left: it is served, or refused with a reason.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "built for tests and fuzzing only: a panic is how a target fails"
)]

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::value::RawValue;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::clock::{Clock, Millis};
use crate::inventory::{Site, SiteType};
use crate::journal::requests::Served;
use crate::journal::sqlite::{Journal, Options};
use crate::journal::tx::Steps;
use crate::journal::{BatchLimit, DatedRecord, Item, Lane, Page, Partition, Refused, RefusedKind, Settlement, StartAt};
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{AccountUid, Envelope, Marker, Record, RecordKind, Stream};

const NOW: Millis = Millis(1_800_000_000_000);
/// Steps in which any request on this small journal must be done.
const MOST_STEPS: usize = 10_000;
/// Rows after which a journal is replaced: replays add references to it.
const MOST_ROWS: usize = 200;

thread_local! {
    static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// A journal with records that the sink `s` has passed.
struct Place {
    runtime: Runtime,
    journal: Journal,
    rows: Connection,
    served: usize,
    _folder: TempDir,
}

/// Serves one row.
pub(crate) fn request_row(text: &str) {
    let (request, progress) = text.split_once('\0').map_or((text, None), |(request, rest)| (request, Some(rest)));
    PLACE.with_borrow_mut(|place| {
        if place.as_ref().is_none_or(|place| place.served >= MOST_ROWS) {
            *place = Some(Place::new());
        }
        place.as_mut().unwrap().serve(request, progress);
    });
}

impl Place {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("vintner.db");
        let options = Options { retain: Duration::MAX, max_bytes: 1 << 30, hold_for: Duration::MAX };
        let steps = Steps { held: 2, replay: 1, trim: 2 };
        let journal = Journal::open_with(&path, options, Clock::manual(NOW), steps).unwrap();
        runtime.block_on(fill(&journal));
        let rows = Connection::open(&path).unwrap();
        Self { runtime, journal, rows, served: 0, _folder: folder }
    }

    fn serve(&mut self, request: &str, progress: Option<&str>) {
        self.served += 1;
        let sql = "INSERT INTO requests (request, asked_at, progress) VALUES (?1, 0, ?2)";
        self.rows.execute(sql, (request, progress)).unwrap();
        let number = u64::try_from(self.rows.last_insert_rowid()).unwrap();
        let journal = &self.journal;
        self.runtime.block_on(async {
            let mut answer = None;
            for _ in 0..MOST_STEPS {
                answer = journal.serve_step(number).await.unwrap();
                if answer.is_some() {
                    break;
                }
            }
            let Some(answer) = answer else { panic!("never done: {request:?} {progress:?}") };
            assert!(!matches!(&answer, Served::Refused(why) if why.is_empty()), "refused without a reason");
            assert_eq!(journal.answer(number).await.unwrap(), Some(answer));
            assert_eq!(journal.requests().await.unwrap(), []);
            if self.served.is_multiple_of(MOST_ROWS / 4) {
                let problems = journal.check_pages().await.unwrap().problems;
                assert!(problems.is_empty(), "{problems:?} after {request:?} {progress:?}");
            }
        });
    }
}

/// Eight records of the site `a`, of which `s` has passed six and refused one.
async fn fill(journal: &Journal) {
    let account = AccountUid::new("ab1c0002");
    let site = Site {
        account: account.clone(),
        uid: "a".into(),
        id: None,
        name: "Site a".into(),
        site_type: SiteType::Managed,
        autotask: None,
    };
    journal.store_sites(&account, vec![site]).await.unwrap();
    journal.use_sinks(vec![("s".to_owned(), StartAt::Oldest)]).await.unwrap();
    for page in 0..4 {
        let records = (0..2).map(|n| activity(&account, &format!("{page}-{n}"))).collect();
        let page = Page {
            account: account.clone(),
            stream: Stream::Activity,
            lane: Lane::Live,
            received_at: NOW,
            cursors: Vec::new(),
            alerts: Vec::new(),
            records,
            rejected: Vec::new(),
        };
        journal.commit(page).await.unwrap();
    }
    let partition = Partition { account, lane: Lane::Live };
    let limit = BatchLimit { records: 6, bytes: 1 << 20 };
    let attempt = journal.read("s", &partition, limit).await.unwrap().unwrap();
    let refuse = |item: &Item| Refused {
        place: item.place.clone(),
        replay: 0,
        kind: RefusedKind::Refused,
        reason: "too large".into(),
        among: Vec::new(),
    };
    let dead: Vec<Refused> = attempt.items.first().map(refuse).into_iter().collect();
    let settlement = Settlement {
        sink: "s".into(),
        partition,
        from: attempt.from,
        to: attempt.to,
        version: attempt.directory.version,
        sent: attempt.items.len() as u64 - 1,
        skipped: 0,
        dead,
    };
    journal.settle(settlement).await.unwrap();
}

fn activity(account: &AccountUid, id: &str) -> DatedRecord {
    let envelope = Envelope {
        account: account.clone(),
        kind: RecordKind::ActivityDevice,
        native_id: id.into(),
        marker: Marker::Once,
        site: SiteRef::Uid("a".into()),
        device: DeviceRef::None,
        path: "/v2/activity-logs".into(),
        received_at: NOW,
        changed: Vec::new(),
        synthesized: false,
    };
    let source = RawValue::from_string(format!("{{\"id\":\"{id}\"}}")).unwrap();
    DatedRecord { record: Record { envelope, source }, dated: NOW }
}
