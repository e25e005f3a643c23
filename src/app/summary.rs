//! What `run --once` did, in the log: a line for each account and each sink, then what is held (contract.md section 7).

use std::collections::{BTreeMap, HashMap};

use crate::app::account::AccountTask;
use crate::app::held;
use crate::app::sinks::Planned;
use crate::collect::status::StreamState;
use crate::journal::JournalError;
use crate::journal::sqlite::Journal;
use crate::record::Stream;

/// Logs the summary.
pub async fn log(journal: &Journal, accounts: &[AccountTask], sinks: &[Planned]) -> Result<(), JournalError> {
    let mut held_now: HashMap<String, u64> = HashMap::new();
    for entry in journal.held().await? {
        let count = held_now.entry(entry.account.to_string()).or_default();
        *count = count.saturating_add(entry.count);
    }
    for account in accounts {
        let streams = account.view.streams();
        let all = total(&streams);
        // What was held only until a site list was shown counts as taken.
        let still_held = account.view.uid().and_then(|uid| held_now.get(&uid).copied()).unwrap_or(0).min(all.held);
        tracing::info!(
            account = account.config.name,
            taken = all.taken.saturating_add(all.held.saturating_sub(still_held)),
            held = still_held,
            filtered = all.filtered,
            ignored = all.ignored,
            dropped = all.dropped,
            rejected = all.rejected,
            streams = by_stream(&streams),
            "summary"
        );
    }
    for sink in sinks {
        let state = sink.status.get();
        let pending: u64 = journal.backlog(&sink.name).await?.iter().map(|entry| entry.pending).sum();
        tracing::info!(
            sink = sink.name,
            sent = state.sent,
            skipped = state.skipped,
            dead = state.dead,
            pending,
            "summary"
        );
    }
    held::warn(journal).await
}

fn total(streams: &BTreeMap<Stream, StreamState>) -> StreamState {
    streams.values().fold(StreamState::default(), |sum, state| StreamState {
        taken: sum.taken.saturating_add(state.taken),
        held: sum.held.saturating_add(state.held),
        filtered: sum.filtered.saturating_add(state.filtered),
        ignored: sum.ignored.saturating_add(state.ignored),
        dropped: sum.dropped.saturating_add(state.dropped),
        rejected: sum.rejected.saturating_add(state.rejected),
        ..sum
    })
}

/// What each stream took, held and filtered when it read it.
fn by_stream(streams: &BTreeMap<Stream, StreamState>) -> String {
    let one = |(stream, state): (&Stream, &StreamState)| {
        format!("{}: taken {}, held {}, filtered {}", stream.as_str(), state.taken, state.held, state.filtered)
    };
    streams.iter().map(one).collect::<Vec<_>>().join("; ")
}
