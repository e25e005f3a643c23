//! Prints fetched records: organization, normalization, one line each.

use crate::app::AppError;
use crate::clock::Clock;
use crate::diagnostic::panics::caught;
use crate::normalize::{Context, Options, normalize};
use crate::org::directory::{Decision, Directory};
use crate::record::Record;
use crate::sink::stdout::Stdout;
use crate::sink::{Sink, SinkError};

/// Prints records to stdout.
#[derive(Debug)]
pub(crate) struct Printer {
    pub(crate) directory: Directory,
    pub(crate) clock: Clock,
    pub(crate) options: Options,
    pub(crate) stdout: Stdout,
    pub(crate) left_out: u64,
    /// Events on stdout so far.
    pub(crate) printed: u64,
}

impl Printer {
    /// Prints `records` in order. What no organization may have is left out and counted, as when collecting.
    pub(crate) async fn print(&mut self, records: Vec<Record>) -> Result<(), AppError> {
        let mut events = Vec::new();
        for record in &records {
            let envelope = &record.envelope;
            let Decision::Org(tenant) = self.directory.decide(&envelope.account, &envelope.site) else {
                self.left_out += 1;
                continue;
            };
            let context = Context {
                directory: &self.directory,
                tenant: &tenant,
                device: None,
                processed_at: self.clock.now(),
                options: &self.options,
            };
            match caught(|| normalize(record, &context)) {
                Ok(Ok(event)) => events.push(event),
                Err(panicked) => tracing::warn!(error = panicked.to_string(), "a record was left out"),
                Ok(Err(error)) => tracing::warn!(error = error.to_string(), "a record was left out"),
            }
        }
        match self.stdout.deliver(&events).await {
            Ok(_) => {
                self.printed = self.printed.saturating_add(u64::try_from(events.len()).unwrap_or(u64::MAX));
                Ok(())
            }
            Err(SinkError::Closed { .. }) => Err(AppError::Closed),
            Err(SinkError::Retry(reason) | SinkError::Later { reason, .. }) => Err(AppError::Failed(reason)),
        }
    }

    /// Says what was left out.
    pub(crate) fn finish(&self) {
        if self.left_out > 0 {
            tracing::warn!(
                count = self.left_out,
                "records of sites that are ignored or that no organization claims were left out: see `vintner orgs list`"
            );
        }
    }
}
