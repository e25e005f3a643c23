//! Work on the journal that a command asks for: done by the running instance, or by the command itself where none runs
//! (architecture.md section 2).

use std::time::Duration;

use crate::app::AppError;
use crate::cli::{open, table};
use crate::clock::Clock;
use crate::config::settings::Config;
use crate::journal::JournalError;
use crate::journal::requests::{Request, Served};
use crate::journal::sqlite::{Journal, Options};

/// A running instance takes a request within a second; one that needs longer than this is only told of.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether the request was taken.
const LOOK: Duration = Duration::from_millis(100);

/// Has the request done and says what became of it.
pub(crate) async fn have_done(config: &Config, request: Request) -> anyhow::Result<()> {
    if !config.journal.path.exists() {
        // Opening it for writing would make one.
        open::reader(&config.journal.path)?;
    }
    let options =
        Options { retain: config.journal.retain, max_bytes: config.journal.max_bytes, hold_for: config.hold_for };
    match Journal::open(&config.journal.path, options, Clock::system()) {
        Ok(journal) => {
            let number = journal.ask(request).await.map_err(AppError::Journal)?;
            let served = journal.serve(number).await.map_err(AppError::Journal);
            journal.close().await.map_err(AppError::Journal)?;
            tell(served?, "by `vintner run`")
        }
        Err(JournalError::Locked { .. }) => hand_over(config, request).await,
        Err(error) => Err(AppError::Journal(error).into()),
    }
}

/// Leaves the request for the running instance and waits until it has taken it.
async fn hand_over(config: &Config, request: Request) -> anyhow::Result<()> {
    let journal = open::reader(&config.journal.path)?;
    let number = journal.ask(request).await.map_err(AppError::Journal)?;
    let began = tokio::time::Instant::now();
    while began.elapsed() < PATIENCE {
        if !journal.is_waiting(number).await.map_err(AppError::Journal)? {
            let answer = journal.answer(number).await.map_err(AppError::Journal)?;
            let gone =
                || AppError::Failed(format!("the running instance has taken request {number}; its log says more"));
            return tell(answer.ok_or_else(gone)?, "by the running instance");
        }
        tokio::time::sleep(LOOK).await;
    }
    table::print(&format!("request {number} waits for the running instance\n"))
}

fn tell(served: Served, by_whom: &str) -> anyhow::Result<()> {
    match served {
        Served::Replayed(0) => table::print("0 records will be sent again: there is none that was sent and is meant\n"),
        Served::Replayed(count) => table::print(&format!("{count} records will be sent again {by_whom}\n")),
        Served::Dropped(count) => table::print(&format!("{count} dead letters dropped\n")),
        Served::Refused(why) => Err(AppError::Failed(why).into()),
    }
}
