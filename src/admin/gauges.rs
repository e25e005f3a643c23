//! The gauges that are set to what a report says.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use crate::admin::report::Report;
use crate::admin::view::whole_seconds;
use crate::record::Stream;
use crate::telemetry::{AccountLabel, DriftLabels, Gauges, ListLabels, SinkLabel, StreamLabels};

/// Sets the gauges to what `report` has.
pub(super) fn set(gauges: &Gauges, report: &Report) {
    for sink in &report.sinks {
        let label = SinkLabel { sink: sink.name.clone() };
        let age = sink.oldest.map_or(0, |oldest| whole_seconds(report.at.since(oldest)));
        gauges.backlog.get_or_create(&label).set(clamp(sink.backlog));
        gauges.backlog_age.get_or_create(&label).set(clamp(age));
        gauges.sink_failing.get_or_create(&label).set(i64::from(sink.failing_since.is_some()));
    }
    for account in &report.accounts {
        let label = AccountLabel { account: account.name.clone() };
        if let Some(clock) = &account.clock {
            gauges.clock_ahead.get_or_create(&label).set(clock.ahead_seconds);
            gauges.clock_refused.get_or_create(&label).set(i64::from(clock.refuses));
        }
        if let Some(budget) = &account.budget {
            gauges.budget_used.get_or_create(&label).set(i64::from(budget.used));
            gauges.budget_ceiling.get_or_create(&label).set(i64::from(budget.ceiling));
            gauges.budget_foreign.get_or_create(&label).set(i64::from(budget.foreign));
        }
        let is_lacking = account.streams.iter().any(|stream| stream.lack().is_some());
        gauges.user_rows_missing.get_or_create(&label).set(i64::from(is_lacking));
        for list in account.streams.iter().flat_map(|stream| &stream.lists) {
            let labels = ListLabels { account: account.name.clone(), list: list.list.clone() };
            gauges.missing_rows.get_or_create(&labels).set(clamp(list.missing));
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
    gauges.journal_state.set(clamp(report.journal.state_bytes));
    gauges.dead_letters_dropped.inner().store(report.journal.dead_letters_dropped, Ordering::Relaxed);
}

fn clamp(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
