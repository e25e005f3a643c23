//! `vintner replay`: sends a part of the journal again to a sink.

use std::time::Duration;

use clap_complete::ArgValueCompleter;

use crate::app::names;
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, ask, completions, open};
use crate::clock::{Clock, Millis};
use crate::config::values;
use crate::journal::requests::Request;

#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    file: ConfigFile,
    /// The sink that gets the records again
    #[arg(long, add = ArgValueCompleter::new(completions::sinks))]
    sink: String,
    /// Only records of this organization, by the mapping in force
    #[arg(long, add = ArgValueCompleter::new(completions::organizations))]
    org: Option<String>,
    /// Only records taken in at this time or later: an RFC 3339 time, or how long ago, e.g. `24h`
    #[arg(long, value_parser = moment)]
    since: Option<Moment>,
    /// Only records taken in before this time
    #[arg(long, value_parser = moment)]
    until: Option<Moment>,
}

/// A point in time as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// This time.
    At(Millis),
    /// So long before now.
    Ago(Duration),
}

impl Replay {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let config = open::configuration(&self.file, Purpose::Look)?;
        names::sink(&config, &self.sink)?;
        if let Some(id) = &self.org {
            let journal = open::reader(&config.journal.path)?;
            open::organization(&journal, &config, id).await?;
        }
        let now = Clock::system().now();
        let request = Request::Replay {
            sink: self.sink,
            org: self.org,
            since: self.since.map(|moment| moment.millis(now)),
            until: self.until.map(|moment| moment.millis(now)),
        };
        ask::have_done(&config, request).await
    }
}

impl Moment {
    /// The point in time, if it is `now`.
    pub(super) fn millis(self, now: Millis) -> Millis {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => now.minus(ago),
        }
    }
}

/// Reads an RFC 3339 time or a duration.
pub(super) fn moment(text: &str) -> Result<Moment, String> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(Moment::At(Millis(time.as_millisecond())));
    }
    let wrong = "neither a time like 2026-11-20T22:05:45Z nor a duration like 24h";
    values::duration(text).map(Moment::Ago).map_err(|_| wrong.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_times_or_durations() {
        let now = Millis(1_795_212_345_000);
        assert_eq!(moment("2026-11-20T22:05:45Z").unwrap().millis(now), now);
        assert_eq!(moment("1h30m").unwrap().millis(now), Millis(now.0 - 5_400_000));
        assert!(moment("yesterday").is_err());
    }
}
