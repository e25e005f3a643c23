//! Every metric that vintner counts, declared once, and the text that scrapers read.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The metrics of one process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    records: Family<RecordLabels, Counter>,
    events: Family<EventLabels, Counter>,
    passes: Family<PassLabels, Counter>,
    restarts: Family<RestartLabels, Counter>,
    gauges: Gauges,
    /// Held while the gauges are set and read: scrapers must not see each other's halves.
    reading: Mutex<()>,
}

/// Values that are read when they are asked for, not counted as they happen.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Records behind a sink's position.
    pub backlog: Family<SinkLabel, Gauge>,
    /// Age of the oldest record behind a sink's position, in seconds.
    pub backlog_age: Family<SinkLabel, Gauge>,
    /// 1 while a sink fails.
    pub sink_failing: Family<SinkLabel, Gauge>,
    /// Seconds since a stream's last complete pass; before the first one since its account began to collect.
    pub lag: Family<StreamLabels, Gauge>,
    /// Requests of the last 60 s that this process sent.
    pub budget_used: Family<AccountLabel, Gauge>,
    /// Requests that this process may send in 60 s at present.
    pub budget_ceiling: Family<AccountLabel, Gauge>,
    /// Requests of the last 60 s that others sent, as far as the API said.
    pub budget_foreign: Family<AccountLabel, Gauge>,
    /// Seconds that the API's clock is ahead of this machine's.
    pub clock_ahead: Family<AccountLabel, Gauge>,
    /// 1 while the clocks do not agree, so that no first start is fixed and nothing is removed for its age.
    pub clock_refused: Family<AccountLabel, Gauge>,
    /// 1 while the activity log shows DEVICE rows and no USER row.
    pub user_rows_missing: Family<AccountLabel, Gauge>,
    /// Rows that a list lacks by the API's own counts; 0 if it is whole.
    pub missing_rows: Family<ListLabels, Gauge>,
    /// Records that showed something undocumented.
    pub drift_records: Family<DriftLabels, Gauge>,
    /// Different undocumented names.
    pub drift_names: Family<DriftLabels, Gauge>,
    /// Bytes of the journal in use.
    pub journal_bytes: Gauge,
    /// `journal.max_bytes`.
    pub journal_limit: Gauge,
    /// Bytes of what collectors know, which do not count for the limit.
    pub journal_state: Gauge,
    /// Dead letters of unreadable items that left for newer ones; the journal counts them, so that a restart does not begin anew.
    pub dead_letters_dropped: Counter,
    /// 1 if the last reload was taken over (or there was none), 0 if it was refused and the configuration before it runs on.
    pub reload_ok: Gauge,
}

/// What became of a record on its way into the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFate {
    /// Appended to a lane.
    Taken,
    /// Held until its site is mapped.
    Held,
    /// Known already.
    Repeated,
    /// Stopped by the account's filter.
    Filtered,
    /// Its site is on the ignore list.
    Ignored,
    /// Unmapped, under the policy `drop`.
    Dropped,
    /// No record could be made of it.
    Rejected,
}

/// What became of a record on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventFate {
    /// Confirmed by the sink.
    Sent,
    /// Not named by the sink's route.
    Skipped,
    /// Given up: a dead letter.
    Dead,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RecordLabels {
    account: String,
    stream: &'static str,
    fate: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EventLabels {
    sink: String,
    fate: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PassLabels {
    account: String,
    stream: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RestartLabels {
    task: &'static str,
    name: String,
}

/// Labels of a stream of an account.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StreamLabels {
    /// Configured name of the account.
    pub account: String,
    /// `alerts`, `activity` or `inventory`.
    pub stream: &'static str,
}

/// Label of an account.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct AccountLabel {
    /// Its configured name.
    pub account: String,
}

/// Labels of a list of an account.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ListLabels {
    /// Configured name of the account.
    pub account: String,
    /// `sites`, `devices` or `open_alerts`.
    pub list: String,
}

/// Labels of what no document told.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct DriftLabels {
    /// Configured name of the account.
    pub account: String,
    /// `alert context`, `activity category`, `activity action` or `field`.
    pub kind: String,
}

/// Label of a sink.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct SinkLabel {
    /// Its configured name.
    pub sink: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("vintner");
        let (records, events, passes) = (Family::default(), Family::default(), Family::default());
        registry.register("records", "Source records by what became of them on the way in", Clone::clone(&records));
        registry.register("sink_events", "Records by what became of them on the way out", Clone::clone(&events));
        registry.register("passes", "Passes over a stream by outcome", Clone::clone(&passes));
        let restarts = Family::default();
        registry.register("task_restarts", "Tasks that were started anew after a panic", Clone::clone(&restarts));
        let gauges = Gauges::default();
        gauges.register(&mut registry);
        Self(Arc::new(Inner { registry, records, events, passes, restarts, gauges, reading: Mutex::default() }))
    }
}

impl Gauges {
    fn register(&self, registry: &mut Registry) {
        registry.register("sink_backlog_records", "Records behind a sink's position", self.backlog.clone());
        registry.register(
            "sink_backlog_age_seconds",
            "Age of the oldest record behind a sink's position",
            self.backlog_age.clone(),
        );
        registry.register("sink_failing", "1 while a sink fails", self.sink_failing.clone());
        registry.register(
            "stream_lag_seconds",
            "Seconds since a stream's last complete pass, before the first one since its account began to collect",
            self.lag.clone(),
        );
        registry.register("budget_used_requests", "Own requests of the last 60 s", self.budget_used.clone());
        registry.register(
            "budget_ceiling_requests",
            "Requests allowed in 60 s at present",
            self.budget_ceiling.clone(),
        );
        registry.register(
            "budget_foreign_requests",
            "Requests of others in the last 60 s",
            self.budget_foreign.clone(),
        );
        registry.register(
            "api_clock_ahead_seconds",
            "Seconds that the API's clock is ahead of this machine's; negative: behind",
            self.clock_ahead.clone(),
        );
        registry.register(
            "clock_refused",
            "1 while the clocks are a day or more apart or the API's is unknown: nothing is removed for its age",
            self.clock_refused.clone(),
        );
        registry.register(
            "activity_user_rows_missing",
            "1 while the activity log shows DEVICE rows and no USER row",
            self.user_rows_missing.clone(),
        );
        registry.register(
            "list_missing_rows",
            "Rows that a list lacks by the API's own counts",
            self.missing_rows.clone(),
        );
        registry.register("drift_records", "Records that showed something undocumented", self.drift_records.clone());
        registry.register("drift_names", "Undocumented names seen", self.drift_names.clone());
        registry.register("journal_used_bytes", "Bytes of the journal in use", self.journal_bytes.clone());
        registry.register("journal_limit_bytes", "Size at which collectors pause", self.journal_limit.clone());
        registry.register("journal_state_bytes", "Bytes of collector state", self.journal_state.clone());
        registry.register(
            "dead_letters_dropped",
            "Dead letters of unreadable items that left for newer ones",
            self.dead_letters_dropped.clone(),
        );
        registry.register(
            "config_reload_ok",
            "0 while a refused configuration waits to be mended",
            self.reload_ok.clone(),
        );
        self.reload_ok.set(1);
    }
}

impl Metrics {
    /// Counts `n` records of a stream.
    pub fn count_records(&self, account: &str, stream: &'static str, fate: RecordFate, n: u64) {
        if n > 0 {
            let labels = RecordLabels { account: account.into(), stream, fate: fate.as_str() };
            self.0.records.get_or_create(&labels).inc_by(n);
        }
    }

    /// Counts `n` records of a sink.
    pub fn count_events(&self, sink: &str, fate: EventFate, n: u64) {
        if n > 0 {
            self.0.events.get_or_create(&EventLabels { sink: sink.into(), fate: fate.as_str() }).inc_by(n);
        }
    }

    /// Counts one pass over a stream; `outcome` is `complete` or `failed`.
    pub fn count_pass(&self, account: &str, stream: &'static str, outcome: &'static str) {
        self.0.passes.get_or_create(&PassLabels { account: account.into(), stream, outcome }).inc();
    }

    /// Counts `n` starts of a task after a panic; with 0 the counter is there from now on.
    pub fn count_restarts(&self, task: &'static str, name: &str, n: u64) {
        self.0.restarts.get_or_create(&RestartLabels { task, name: name.to_owned() }).inc_by(n);
    }

    /// All metrics as OpenMetrics text, with the gauges that `set` sets; whoever else asks at the same time waits.
    pub fn render_with(&self, set: impl FnOnce(&Gauges)) -> String {
        let _reading = self.0.reading.lock().unwrap_or_else(PoisonError::into_inner);
        set(&self.0.gauges);
        self.render()
    }

    /// The gauges; those of a moment are set in [`Metrics::render_with`].
    pub fn gauges(&self) -> &Gauges {
        &self.0.gauges
    }

    /// All metrics as OpenMetrics text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` cannot fail; an error would show as a truncated page.
        if encode(&mut text, &self.0.registry).is_err() {
            text.push_str("# the metrics could not be encoded\n");
        }
        text
    }
}

impl RecordFate {
    fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Held => "held",
            Self::Repeated => "repeated",
            Self::Filtered => "filtered",
            Self::Ignored => "ignored",
            Self::Dropped => "dropped",
            Self::Rejected => "rejected",
        }
    }
}

impl EventFate {
    fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Skipped => "skipped",
            Self::Dead => "dead",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_gauges_are_rendered() {
        let metrics = Metrics::default();
        metrics.count_records("acme", "alerts", RecordFate::Taken, 3);
        metrics.count_events("console", EventFate::Sent, 2);
        metrics.gauges().journal_bytes.set(4096);
        let text = metrics.render();
        assert!(text.contains(r#"vintner_records_total{account="acme",stream="alerts",fate="taken"} 3"#), "{text}");
        assert!(text.contains(r#"vintner_sink_events_total{sink="console",fate="sent"} 2"#), "{text}");
        assert!(text.contains("vintner_journal_used_bytes 4096"), "{text}");
    }

    #[test]
    fn whoever_reads_the_gauges_reads_those_that_it_set() {
        let metrics = Metrics::default();
        let (is_set, wait) = std::sync::mpsc::channel();
        let text = std::thread::scope(|scope| {
            let other = metrics.clone();
            scope.spawn(move || {
                wait.recv().unwrap();
                other.render_with(|gauges| {
                    gauges.journal_bytes.set(2);
                })
            });
            metrics.render_with(|gauges| {
                gauges.journal_bytes.set(1);
                is_set.send(()).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(50));
            })
        });
        assert!(text.contains("vintner_journal_used_bytes 1\n"), "{text}");
    }
}
