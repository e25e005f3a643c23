//! The journal's files, looked after while vintner runs.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::AppError;
use crate::app::parts::Shared;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// Ends with an error once a file of the journal was removed, moved or replaced. Warns when the journal gets a second name.
pub async fn watch(shared: Shared, stop: CancellationToken) -> Result<(), AppError> {
    let mut was_linked = false;
    loop {
        let is_linked = shared.journal.inspect_files().await?;
        if is_linked && !was_linked {
            tracing::warn!(
                journal = %shared.journal.path().display(),
                hint = "remove the other hard link, and never open the journal by it: a program that does damages the journal",
                "the journal has a second name"
            );
        }
        was_linked = is_linked;
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}
