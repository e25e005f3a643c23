//! How far the first pass of each account is: a line at the end of a terminal, or a log line a minute.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::AppError;
use crate::app::account::AccountTask;
use crate::app::sinks::Planned;
use crate::collect::status::StreamState;
use crate::diagnostic::words;
use crate::output::bar::Bar;

/// How often the line on a terminal changes.
const REDRAW: Duration = Duration::from_millis(250);
/// How often the log says how far it is.
const LOG: Duration = Duration::from_secs(60);

/// Where progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// In the log, once a minute.
    #[default]
    Log,
    /// At the end of the terminal that stderr is.
    Bar,
}

/// Shows how far first passes are until each account has one behind it. With `sinks`, goes on until `stop` with what they have not
/// delivered yet.
pub async fn watch(
    accounts: Vec<AccountTask>,
    sinks: Vec<Planned>,
    form: Form,
    stop: CancellationToken,
) -> Result<(), AppError> {
    let (began, bar) = (Instant::now(), if form == Form::Bar { Bar::start() } else { None });
    let each = if bar.is_some() { REDRAW } else { LOG };
    loop {
        tokio::select! {
            () = tokio::time::sleep(each) => {}
            () = stop.cancelled() => return Ok(()),
        }
        let running: Vec<&AccountTask> = accounts.iter().filter(|account| !account.is_past_first_pass()).collect();
        if running.is_empty() && sinks.is_empty() {
            return Ok(());
        }
        match &bar {
            Some(bar) => bar.show(line(&running, &sinks)),
            None => log(&running, &sinks, began.elapsed()),
        }
    }
}

/// All of it on one line.
fn line(running: &[&AccountTask], sinks: &[Planned]) -> String {
    if running.is_empty() {
        let waiting =
            sinks.iter().map(|sink| (&sink.name, sink.status.get().waiting)).filter(|(_, waiting)| *waiting > 0);
        let waiting: Vec<String> = waiting.map(|(name, waiting)| format!("{waiting} records for {name}")).collect();
        return format!("delivering {}", waiting.join(", "));
    }
    let accounts: Vec<String> =
        running.iter().map(|account| format!("{}: {}", account.config.name, streams(account))).collect();
    format!("first pass of {}", accounts.join("; "))
}

fn log(running: &[&AccountTask], sinks: &[Planned], elapsed: Duration) {
    let running_for = words::duration(elapsed);
    for account in running {
        let requests = account.client.state().counts.requests;
        let (account, streams) = (&account.config.name, streams(account));
        tracing::info!(account, streams, requests, running_for, "first pass under way");
    }
    if running.is_empty() {
        for sink in sinks {
            let pending = sink.status.get().waiting;
            tracing::info!(sink = sink.name, pending, running_for, "delivery under way");
        }
    }
}

/// What each stream of an account has read.
fn streams(account: &AccountTask) -> String {
    let states = account.view.streams();
    if states.is_empty() {
        return "connecting".to_owned();
    }
    let one = |(stream, state): (&crate::record::Stream, &StreamState)| {
        let done = if state.completed.is_some() { ", done" } else { "" };
        format!("{} {}{done}", stream.as_str(), words::count(read(state), "record"))
    };
    states.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Records that a stream has read, whatever became of them.
fn read(state: &StreamState) -> u64 {
    let fates = [state.taken, state.held, state.filtered, state.ignored, state.dropped, state.rejected];
    fates.into_iter().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests;
