//! The running program as the admin listener sees it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::admin::gauges;
use crate::admin::report::{
    AccountReport, BudgetReport, DriftReport, JournalReport, ListReport, PositionReport, Report, SinkReport,
    StreamReport, UserRowsReport,
};
use crate::clock::{Clock, Millis};
use crate::collect::activity::user_rows::{self, UserRows};
use crate::collect::count::ListCount;
use crate::collect::source::stored;
use crate::collect::status::{LastPass, Status, StreamState};
use crate::datto::client::Client;
use crate::deliver::status::SinkStatus;
use crate::journal::drift::Drift;
use crate::journal::sqlite::Journal;
use crate::journal::{Backlog, JournalError};
use crate::record::{AccountUid, Stream};
use crate::telemetry::Metrics;

/// Everything a report is made of.
#[derive(Clone, Debug)]
pub struct View {
    /// Positions, held records, dead letters.
    pub journal: Journal,
    /// Counters.
    pub metrics: Metrics,
    /// Wall time.
    pub clock: Clock,
    /// When this instance started; `None` for a look at a journal alone.
    pub started: Option<Millis>,
    /// The configured accounts.
    pub accounts: Vec<AccountView>,
    /// The configured sinks; without a status when nothing runs.
    pub sinks: Vec<(String, Option<SinkStatus>)>,
}

/// One account, which connects some time after the start.
#[derive(Clone, Debug)]
pub struct AccountView {
    /// Its configured name.
    pub name: String,
    /// Its platform or host.
    pub platform: String,
    connection: Arc<Mutex<Connection>>,
}

#[derive(Debug, Default)]
struct Connection {
    uid: Option<String>,
    client: Option<Client>,
    status: Option<Status>,
    problem: Option<String>,
    /// When a failed connection is tried again.
    retry_at: Option<Millis>,
}

impl AccountView {
    /// An account that is not connected yet.
    pub fn new(name: &str, platform: &str) -> Self {
        Self { name: name.to_owned(), platform: platform.to_owned(), connection: Arc::default() }
    }

    /// The client exists, though the account may not have answered yet.
    pub fn connecting(&self, client: Client) {
        self.change(|connection| connection.client = Some(client));
    }

    /// The account answered.
    pub fn connected(&self, uid: &str, status: Status) {
        self.change(|connection| {
            connection.uid = Some(uid.to_owned());
            connection.status = Some(status);
            connection.problem = None;
            connection.retry_at = None;
        });
    }

    /// The account cannot be used at present.
    pub fn failed(&self, problem: String) {
        self.change(|connection| {
            connection.problem = Some(problem);
            connection.retry_at = None;
        });
    }

    /// A failed connection is tried again at `retry_at`.
    pub fn retries(&self, retry_at: Millis) {
        self.change(|connection| connection.retry_at = Some(retry_at));
    }

    /// The account's uid at Datto, once known.
    pub fn uid(&self) -> Option<String> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).uid.clone()
    }

    /// How its streams do; empty before the account answered.
    pub fn streams(&self) -> BTreeMap<Stream, StreamState> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.status.as_ref().map(Status::get).unwrap_or_default()
    }

    /// Whether the account cannot be used at present.
    pub fn has_problem(&self) -> bool {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).problem.is_some()
    }

    fn change(&self, change: impl FnOnce(&mut Connection)) {
        change(&mut self.connection.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn report(&self, now: Millis) -> AccountReport {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = connection.status.as_ref().map(Status::get).unwrap_or_default();
        let outage = connection.client.as_ref().and_then(|client| client.state().outage);
        let retry_at = outage.as_ref().and_then(|outage| outage.next_try).or(connection.retry_at);
        // Before the account has answered, its first failed request is why.
        let early = outage.as_ref().filter(|_| connection.uid.is_none());
        AccountReport {
            name: self.name.clone(),
            uid: connection.uid.clone(),
            platform: self.platform.clone(),
            problem: connection.problem.clone().or_else(|| early.map(|outage| outage.error.clone())),
            unreachable_since: outage.as_ref().map(|outage| outage.since),
            last_error: outage.map(|outage| outage.error),
            retry_at,
            clock: connection.client.as_ref().map(|client| client.clocks().into()),
            budget: connection.client.as_ref().map(budget),
            streams: streams.iter().map(|(stream, state)| stream_report(*stream, state, now)).collect(),
        }
    }
}

impl View {
    /// A report of this moment.
    pub async fn report(&self) -> Result<Report, JournalError> {
        let now = self.clock.now();
        let mut sinks = Vec::new();
        for (name, status) in &self.sinks {
            sinks.push(sink_report(name, status.as_ref(), &self.journal.backlog(name).await?));
        }
        let journal = self.journal_report().await?;
        let mut accounts = Vec::new();
        for account in &self.accounts {
            accounts.push(self.account_report(account, now).await?);
        }
        let drift = self.drift(&accounts).await?;
        Ok(Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            at: now,
            accounts,
            sinks,
            journal,
            drift,
        })
    }

    /// What keeps the program from being ready, one line each. Reads flags only: it costs the same whatever the journal holds, and
    /// answers while the journal is busy.
    pub fn unready(&self) -> Vec<String> {
        let now = self.clock.now();
        let sinks = self.sinks.iter().map(|(name, status)| sink_report(name, status.as_ref(), &[]));
        let report = Report {
            accounts: self.accounts.iter().map(|account| account.report(now)).collect(),
            sinks: sinks.collect(),
            journal: JournalReport {
                full: self.journal.is_full(),
                trouble: self.journal.trouble(),
                ..JournalReport::default()
            },
            ..Report::default()
        };
        report.unready()
    }

    async fn journal_report(&self) -> Result<JournalReport, JournalError> {
        let usage = self.journal.usage().await?;
        let causes = if usage.full { Some(self.journal.causes().await?) } else { None };
        Ok(JournalReport {
            used_bytes: usage.used,
            limit_bytes: usage.limit,
            full: usage.full,
            held_records: usage.held_records,
            held_bytes: usage.held_bytes,
            dead_letters: usage.dead_letters,
            dead_letters_dropped: usage.rejected_dropped,
            dead_bytes: usage.dead_bytes,
            state_bytes: usage.state_bytes,
            cause: causes.as_ref().map(ToString::to_string),
            hint: causes.map(|causes| causes.hint()),
            trouble: self.journal.trouble(),
        })
    }

    /// An account as it runs; without a running instance as the journal last knew it.
    async fn account_report(&self, account: &AccountView, now: Millis) -> Result<AccountReport, JournalError> {
        let mut report = account.report(now);
        if self.started.is_some() {
            return Ok(report);
        }
        let directory = self.journal.directory().await?;
        let Some(known) = directory.account_named(&account.name) else { return Ok(report) };
        report.uid = Some(known.uid.to_string());
        for stream in Stream::COLLECTED {
            let stored = self.journal.cursor(&known.uid, &LastPass::cursor(stream)).await?;
            let pass: Option<LastPass> = stored.and_then(|json| serde_json::from_str(&json).ok());
            report.streams.extend(pass.map(|pass| stored_report(stream, pass, now)));
        }
        let rows: Option<UserRows> = stored(&self.journal, &known.uid, user_rows::CURSOR).await?;
        if let Some(activity) = report.streams.iter_mut().find(|stream| stream.stream == Stream::Activity.as_str()) {
            activity.user_rows = rows.map(user_rows_report);
        }
        Ok(report)
    }

    async fn drift(&self, accounts: &[AccountReport]) -> Result<Vec<DriftReport>, JournalError> {
        let name = |uid: &AccountUid| {
            let known = accounts.iter().find(|account| account.uid.as_deref() == Some(uid.as_str()));
            known.map_or_else(|| uid.to_string(), |account| account.name.clone())
        };
        let report = |(uid, drift): (AccountUid, Drift)| DriftReport {
            account: name(&uid),
            kind: drift.kind,
            name: drift.name,
            count: drift.count,
            sample: drift.sample,
            first_at: drift.first_at,
            last_at: drift.last_at,
        };
        Ok(self.journal.all_drifts().await?.into_iter().map(report).collect())
    }

    /// All metrics, with the gauges set to this moment.
    pub async fn metrics_text(&self) -> Result<String, JournalError> {
        let report = self.report().await?;
        Ok(self.metrics.render_with(|gauges| gauges::set(gauges, &report)))
    }
}

fn budget(client: &Client) -> BudgetReport {
    let rate = client.rate();
    BudgetReport {
        used: rate.used,
        ceiling: rate.ceiling,
        foreign: rate.foreign.unwrap_or(0),
        limit: rate.limit,
        paused_until: rate.paused_until,
    }
}

fn stream_report(stream: Stream, state: &StreamState, now: Millis) -> StreamReport {
    StreamReport {
        stream: stream.as_str().to_owned(),
        state: state.phase.as_str().to_owned(),
        reason: state.reason.clone(),
        panic: state.panic.clone(),
        last_pass: state.completed,
        lag_seconds: state.completed.or(state.since).map(|at| whole_seconds(now.since(at))),
        failures: state.failures,
        took_ms: u64::try_from(state.took.as_millis()).unwrap_or(u64::MAX),
        requests: state.requests,
        stretched_to_seconds: state.stretched_to.map(whole_seconds),
        taken: state.taken,
        held: state.held,
        user_rows: state.user_rows.map(user_rows_report),
        lists: state.lists.iter().map(list_report).collect(),
    }
}

fn user_rows_report(rows: UserRows) -> UserRowsReport {
    UserRowsReport {
        missing_since: rows.missing.map(|missing| missing.since),
        user_shown: rows.user_shown,
        newest_device: rows.newest_device,
    }
}

fn list_report(count: &ListCount) -> ListReport {
    ListReport {
        list: count.list.as_str().to_owned(),
        rows: count.rows,
        total_count: count.total_count,
        account_devices: count.account_devices,
        site_devices: count.site_devices,
        missing: count.missing(),
        may_prove_absence: count.may_prove_absence(),
        shortage: count.shortage(),
    }
}

/// A stream of which only the last pass is known.
fn stored_report(stream: Stream, pass: LastPass, now: Millis) -> StreamReport {
    StreamReport {
        stream: stream.as_str().to_owned(),
        state: "stopped".to_owned(),
        last_pass: Some(pass.began),
        lag_seconds: Some(whole_seconds(now.since(pass.began))),
        took_ms: pass.took_ms,
        requests: pass.requests,
        lists: pass.lists.iter().map(list_report).collect(),
        ..StreamReport::default()
    }
}

fn sink_report(name: &str, status: Option<&SinkStatus>, backlog: &[Backlog]) -> SinkReport {
    let state = status.map(SinkStatus::get);
    let failing = state.as_ref().and_then(|state| state.failing.clone());
    SinkReport {
        name: name.to_owned(),
        stopped: state.as_ref().is_some_and(|state| state.is_stopped),
        works: state.map(|state| state.is_proven),
        failing_since: failing.as_ref().map(|(since, _)| *since),
        last_error: failing.map(|(_, error)| error),
        backlog: backlog.iter().map(|entry| entry.pending).sum(),
        oldest: backlog.iter().filter_map(|entry| entry.oldest).min(),
        positions: backlog
            .iter()
            .map(|entry| PositionReport {
                account: entry.partition.account.to_string(),
                lane: entry.partition.lane.as_str().to_owned(),
                position: entry.position,
                head: entry.head,
            })
            .collect(),
    }
}

pub(super) fn whole_seconds(duration: std::time::Duration) -> u64 {
    duration.as_secs()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::inventory::{Account, Site, SiteType};
    use crate::journal::sqlite::Options;
    use crate::journal::{DatedRecord, Lane, Page, StartAt};
    use crate::record::place::{DeviceRef, SiteRef};
    use crate::record::{Envelope, Marker, Record, RecordKind};

    async fn view(directory: &std::path::Path, max_bytes: u64) -> View {
        let day = Duration::from_secs(86_400);
        let options = Options { retain: day, max_bytes, hold_for: day };
        let journal = Journal::open(&directory.join("vintner.db"), options, Clock::system()).unwrap();
        journal.use_sinks(vec![("s".into(), StartAt::Oldest)]).await.unwrap();
        View {
            journal,
            metrics: Metrics::default(),
            clock: Clock::system(),
            started: Some(Millis(0)),
            accounts: Vec::new(),
            sinks: Vec::new(),
        }
    }

    fn page(n: u64) -> Page {
        let uid = AccountUid::new("ab1c0002");
        let text: String =
            (0..200).map(|m| format!("{:x}", (n * 1000 + m).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        let envelope = Envelope {
            account: uid.clone(),
            kind: RecordKind::ActivityDevice,
            native_id: n.to_string(),
            marker: Marker::Once,
            site: SiteRef::Uid("a".into()),
            device: DeviceRef::None,
            path: String::new(),
            received_at: Millis(0),
            changed: Vec::new(),
            synthesized: false,
        };
        let source = serde_json::value::RawValue::from_string(format!("{{\"text\":\"{text}\"}}")).unwrap();
        Page {
            account: uid,
            stream: Stream::Activity,
            lane: Lane::Live,
            received_at: Millis(0),
            cursors: Vec::new(),
            alerts: Vec::new(),
            records: vec![DatedRecord { record: Record { envelope, source }, dated: Millis(0) }],
            rejected: Vec::new(),
        }
    }

    /// A closed journal answers no read at all.
    #[tokio::test]
    async fn readiness_needs_no_read_of_the_journal() {
        let directory = tempfile::tempdir().unwrap();
        let view = view(directory.path(), 1 << 30).await;
        view.journal.close().await.unwrap();
        assert!(view.report().await.is_err(), "a report reads");
        assert_eq!(view.unready(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_full_journal_is_not_ready_and_says_why_in_the_report() {
        let directory = tempfile::tempdir().unwrap();
        let view = view(directory.path(), 300_000).await;
        let (uid, name) = (AccountUid::new("ab1c0002"), "acme".to_owned());
        let (display_name, platform) = (String::new(), "vidal".to_owned());
        let account = Account { uid: uid.clone(), name, display_name, platform, api_host: String::new() };
        view.journal.open_account(&account, None).await.unwrap();
        let site = Site {
            account: uid.clone(),
            uid: "a".into(),
            id: None,
            name: "Contoso".into(),
            site_type: SiteType::Managed,
            autotask: None,
        };
        view.journal.store_sites(&uid, vec![site]).await.unwrap();
        let mut n = 0;
        while view.journal.commit(page(n)).await.is_ok() {
            n += 1;
        }
        assert_eq!(view.unready(), ["the journal is full"]);
        let journal = view.report().await.unwrap().journal;
        let (cause, hint) = (journal.cause.unwrap(), journal.hint.unwrap());
        let pending = view.journal.backlog("s").await.unwrap()[0].pending;
        assert!(pending >= n && cause.starts_with(&format!("sink s is {pending} records behind")), "{cause}");
        assert!(journal.full && view.journal.is_full());
        assert!(hint.contains("mend the sink"), "{hint}");
    }

    #[test]
    fn scrapers_at_once_read_the_same_drift() {
        let metrics = Metrics::default();
        let drift = |name: &str, count| DriftReport {
            account: "acme".into(),
            kind: "field".into(),
            name: name.into(),
            count,
            ..DriftReport::default()
        };
        let report = Report { drift: vec![drift("one", 3), drift("two", 4)], ..Report::default() };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let text = metrics.render_with(|gauges| gauges::set(gauges, &report));
                        assert!(text.contains(r#"vintner_drift_records{account="acme",kind="field"} 7"#), "{text}");
                        assert!(text.contains(r#"vintner_drift_names{account="acme",kind="field"} 2"#), "{text}");
                    }
                });
            }
        });
    }
}
