//! When streams run: one pass after the other, never two at once, and what an error means for the next one.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::collect::activity::ActivityStream;
use crate::collect::alerts::{AlertStream, Thoroughness};
use crate::collect::inventory::InventoryStream;
use crate::collect::source::{PassError, Source};
use crate::collect::status::Phase;
use crate::collect::unsettled;
use crate::datto::error::ClientError;
use crate::record::Stream;

/// Shortest pause before a repeat of a pass over lists that moved.
const SOON: Duration = Duration::from_secs(5);

/// Repeats in a row of a pass over lists that keep moving, before the ordinary interval has its turn.
const REPEATS: u32 = 3;

/// One stream of an account.
#[derive(Debug)]
pub enum AnyStream {
    /// Alerts.
    Alerts(Box<AlertStream>),
    /// Activity log.
    Activity(Box<ActivityStream>),
    /// Inventory.
    Inventory(InventoryStream),
}

/// What a pass of any stream found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Requests that it cost.
    pub requests: u64,
    /// Whether it should be repeated soon.
    pub again: bool,
    /// Records that the journal had no room for: only another pass takes them in.
    pub postponed: u64,
}

/// How the passes of `run --once` ended for one stream.
#[derive(Debug)]
pub enum Once {
    /// Complete.
    Done,
    /// The API user may not read it: a warning.
    Forbidden(ClientError),
    /// Not complete.
    Failed(PassError),
}

impl AnyStream {
    /// Which stream it is.
    pub fn stream(&self) -> Stream {
        match self {
            Self::Alerts(_) => Stream::Alerts,
            Self::Activity(_) => Stream::Activity,
            Self::Inventory(_) => Stream::Inventory,
        }
    }

    async fn pass(&mut self, thoroughness: Thoroughness) -> Result<Passed, PassError> {
        match self {
            Self::Alerts(stream) => {
                let report = stream.pass(thoroughness).await?;
                Ok(Passed { requests: report.requests, again: report.moved || report.unfinished, postponed: 0 })
            }
            Self::Activity(stream) => Ok(Passed { requests: stream.pass().await?.requests, ..Passed::default() }),
            Self::Inventory(stream) => {
                let report = stream.pass(thoroughness).await?;
                Ok(Passed { requests: report.requests, again: report.postponed > 0, postponed: report.postponed })
            }
        }
    }

    /// One complete pass; repeated a few times while the lists move under it, and until everything has found room in the journal.
    /// The caller ends the wait for room that nobody makes.
    pub async fn once(&mut self, source: &Source) -> Once {
        let mut repeats = 0;
        loop {
            match self.observed_pass(source, Thoroughness::Whole).await {
                Ok(passed) if passed.postponed > 0 => tokio::time::sleep(SOON).await,
                Ok(passed) if passed.again && repeats < REPEATS => repeats += 1,
                Ok(_) => match unsettled::settle(source, Thoroughness::Whole).await {
                    Ok(_) => return Once::Done,
                    Err(error) => return Once::Failed(error),
                },
                Err(PassError::Client(error @ ClientError::Forbidden { .. })) => return Once::Forbidden(error),
                Err(error) => return Once::Failed(error),
            }
        }
    }

    /// Polls until `stop`. Ends early only when the journal cannot be used.
    pub async fn run(
        &mut self,
        source: &Source,
        interval: Duration,
        stop: &CancellationToken,
    ) -> Result<(), PassError> {
        let mut repeats = 0;
        while !stop.is_cancelled() {
            let began = Instant::now();
            let outcome = tokio::select! {
                // Dropping a pass half-way is safe: every page is a transaction of its own.
                outcome = self.observed_pass(source, Thoroughness::Bounded) => outcome,
                () = stop.cancelled() => return Ok(()),
            };
            let next = match outcome {
                Ok(passed) => {
                    repeats = if passed.again && repeats < REPEATS { repeats + 1 } else { 0 };
                    let usual = self.stretch(source, interval, passed.requests);
                    let soon = SOON.max(affordable_interval(passed.requests, source.client.rate().ceiling)).min(usual);
                    if repeats > 0 { Instant::now() + soon } else { began + usual }
                }
                Err(error @ PassError::Journal(_)) => return Err(error),
                Err(PassError::Client(error)) => {
                    repeats = 0;
                    Instant::now() + error.retry_after(source.clock.now(), interval)
                }
            };
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = stop.cancelled() => {}
                // Look-ups of devices must not make a pass late; what is left comes in the next pause.
                error = self.settle(source) => return Err(error),
            }
        }
        Ok(())
    }

    /// Settles the sites of devices; resolves only if the journal cannot be used.
    async fn settle(&self, source: &Source) -> PassError {
        match unsettled::settle(source, Thoroughness::Bounded).await {
            Err(error @ PassError::Journal(_)) => return error,
            Err(PassError::Client(error)) => {
                let (account, error) = (&source.account.name, crate::diagnostic::causes::line(&error));
                tracing::debug!(account, error, "device look-ups ended early");
            }
            Ok(_) => {}
        }
        std::future::pending().await
    }

    async fn observed_pass(&mut self, source: &Source, thoroughness: Thoroughness) -> Result<Passed, PassError> {
        let (stream, account) = (self.stream(), &source.account.name);
        let (began, clock) = (source.clock.now(), Instant::now());
        source.status.expect(stream, began);
        source.status.begin(stream);
        #[cfg(test)]
        crate::diagnostic::planted::visit("pass", &format!("{account}/{stream}"));
        let outcome = self.pass(thoroughness).await;
        match &outcome {
            Ok(passed) => {
                source.status.complete(stream, began, clock.elapsed(), passed.requests);
                source.keep_pass(stream).await?;
                source.metrics.count_pass(account, stream.as_str(), "complete");
                tracing::debug!(account, stream = stream.as_str(), requests = passed.requests, "pass complete");
            }
            Err(error) => {
                source.metrics.count_pass(account, stream.as_str(), "failed");
                report(source, stream, error);
            }
        }
        outcome
    }

    /// The interval in force: a stream whose passes take more than a quarter of the budget polls less often.
    fn stretch(&self, source: &Source, interval: Duration, requests: u64) -> Duration {
        let affordable = affordable_interval(requests, source.client.rate().ceiling);
        let is_stretched = affordable > interval;
        source.status.stretch(self.stream(), is_stretched.then_some(affordable));
        affordable.max(interval)
    }
}

/// The shortest interval at which passes of `requests` take no more than a quarter of `ceiling` requests a minute.
fn affordable_interval(requests: u64, ceiling: u32) -> Duration {
    Duration::from_millis(requests.saturating_mul(240_000) / u64::from(ceiling.max(1)))
}

/// Says once where it is handled what an ended pass means.
fn report(source: &Source, stream: Stream, error: &PassError) {
    let chain = crate::diagnostic::causes::line(error);
    let phase = match error {
        PassError::Client(ClientError::Forbidden { .. }) => Phase::Forbidden,
        PassError::Client(ClientError::Blocked { .. } | ClientError::Rejected { .. }) => Phase::Waiting,
        PassError::Client(_) | PassError::Journal(_) => Phase::Failing,
    };
    let is_news = source.status.get().get(&stream).is_none_or(|state| state.reason.as_deref() != Some(&chain));
    match phase {
        Phase::Failing => source.status.failed(stream, &chain),
        Phase::Starting | Phase::Polling | Phase::Idle | Phase::Waiting | Phase::Forbidden => {
            source.status.enter(stream, phase, &chain);
        }
    }
    if is_news {
        tracing::warn!(
            account = source.account.name,
            stream = stream.as_str(),
            error = chain,
            "pass ended early; its position stands still"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_takes_at_most_a_quarter_of_the_budget() {
        assert_eq!(affordable_interval(120, 480), Duration::from_secs(60));
        assert_eq!(affordable_interval(2, 480), Duration::from_secs(1));
        assert_eq!(affordable_interval(480, 480), Duration::from_secs(240));
    }

    #[test]
    fn an_absurd_budget_gives_a_long_pause_and_no_panic() {
        assert_eq!(affordable_interval(0, 480), Duration::ZERO);
        assert_eq!(affordable_interval(1, 0), Duration::from_secs(240));
        assert_eq!(affordable_interval(u64::MAX, 1), Duration::from_millis(u64::MAX));
    }
}
