//! The running program as the admin listener sees it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::admin::report::{
    AccountReport, BudgetReport, DriftReport, JournalReport, PositionReport, Report, SinkReport, StreamReport,
};
use crate::clock::{Clock, Millis};
use crate::collect::status::{LastPass, Status, StreamState};
use crate::datto::client::Client;
use crate::deliver::status::SinkStatus;
use crate::journal::drift::Drift;
use crate::journal::sqlite::Journal;
use crate::journal::{Backlog, JournalError};
use crate::record::{AccountUid, Stream};
use crate::telemetry::{AccountLabel, DriftLabels, Gauges, Metrics, SinkLabel, StreamLabels};

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
        });
    }

    /// The account cannot be used at present.
    pub fn failed(&self, problem: String) {
        self.change(|connection| connection.problem = Some(problem));
    }

    fn change(&self, change: impl FnOnce(&mut Connection)) {
        change(&mut self.connection.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn report(&self, now: Millis) -> AccountReport {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = connection.status.as_ref().map(Status::get).unwrap_or_default();
        AccountReport {
            name: self.name.clone(),
            uid: connection.uid.clone(),
            platform: self.platform.clone(),
            problem: connection.problem.clone(),
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
        let usage = self.journal.usage().await?;
        let held = self.journal.held().await?;
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
            journal: JournalReport {
                used_bytes: usage.used,
                limit_bytes: usage.limit,
                full: usage.full,
                held_records: held.iter().map(|site| site.count).sum(),
                held_bytes: usage.held_bytes,
                dead_letters: usage.dead_letters,
            },
            drift,
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
        Ok(self.metrics.render_with(|gauges| set(gauges, &report)))
    }
}

/// Sets the gauges to what `report` has.
fn set(gauges: &Gauges, report: &Report) {
    for sink in &report.sinks {
        let label = SinkLabel { sink: sink.name.clone() };
        let age = sink.oldest.map_or(0, |oldest| whole_seconds(report.at.since(oldest)));
        gauges.backlog.get_or_create(&label).set(clamp(sink.backlog));
        gauges.backlog_age.get_or_create(&label).set(clamp(age));
        gauges.sink_failing.get_or_create(&label).set(i64::from(sink.failing_since.is_some()));
    }
    for account in &report.accounts {
        let label = AccountLabel { account: account.name.clone() };
        if let Some(budget) = &account.budget {
            gauges.budget_used.get_or_create(&label).set(i64::from(budget.used));
            gauges.budget_ceiling.get_or_create(&label).set(i64::from(budget.ceiling));
            gauges.budget_foreign.get_or_create(&label).set(i64::from(budget.foreign));
        }
        for stream in Stream::COLLECTED {
            let state = account.streams.iter().find(|state| state.stream == stream.as_str());
            if let Some(lag) = state.and_then(|state| state.lag_seconds) {
                let labels = StreamLabels { account: account.name.clone(), stream: stream.as_str() };
                gauges.lag.get_or_create(&labels).set(clamp(lag));
            }
        }
    }
    // Of each account and kind the sum, and how many names.
    let mut drifts: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
    for drift in &report.drift {
        let (records, names) = drifts.entry((&drift.account, &drift.kind)).or_default();
        (*records, *names) = (records.saturating_add(drift.count), names.saturating_add(1));
    }
    gauges.drift_records.clear();
    gauges.drift_names.clear();
    for ((account, kind), (records, names)) in drifts {
        let label = DriftLabels { account: account.to_owned(), kind: kind.to_owned() };
        gauges.drift_records.get_or_create(&label).set(clamp(records));
        gauges.drift_names.get_or_create(&label).set(clamp(names));
    }
    gauges.journal_bytes.set(clamp(report.journal.used_bytes));
    gauges.journal_limit.set(clamp(report.journal.limit_bytes));
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
        lag_seconds: state.completed.map(|at| whole_seconds(now.since(at))),
        took_ms: u64::try_from(state.took.as_millis()).unwrap_or(u64::MAX),
        requests: state.requests,
        stretched_to_seconds: state.stretched_to.map(whole_seconds),
        taken: state.taken,
        held: state.held,
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
                lane: format!("{:?}", entry.partition.lane).to_lowercase(),
                position: entry.position,
                head: entry.head,
            })
            .collect(),
    }
}

fn whole_seconds(duration: std::time::Duration) -> u64 {
    duration.as_secs()
}

fn clamp(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
                        let text = metrics.render_with(|gauges| set(gauges, &report));
                        assert!(text.contains(r#"vintner_drift_records{account="acme",kind="field"} 7"#), "{text}");
                        assert!(text.contains(r#"vintner_drift_names{account="acme",kind="field"} 2"#), "{text}");
                    }
                });
            }
        });
    }
}
