//! What a running instance does for its journal beside collecting and delivering: it serves requests of commands and does maintenance.
//! Both work in bounded steps and end between two of them when they are stopped.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::AppError;
use crate::app::parts::Shared;
use crate::journal::JournalError;
use crate::journal::requests::Served;

/// Requests of commands beside a running instance are taken within this.
const REQUEST_EVERY: Duration = Duration::from_secs(1);

/// Trimming, expiry of held records and the journal's size are looked after this often.
const UPKEEP_EVERY: Duration = Duration::from_secs(30);

/// Serves requests as they come, oldest first. One that is stopped on its way waits for the next start and goes on there.
pub(super) async fn serve_requests(shared: Shared, stop: CancellationToken) -> Result<(), AppError> {
    while !stop.is_cancelled() {
        let mut behind = 0;
        while let Some(number) = shared.journal.next_request(behind).await? {
            behind = number;
            let served = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                served = shared.journal.serve(number) => served,
            };
            match served {
                Ok(Served::Refused(reason)) => tracing::warn!(request = number, reason, "request refused"),
                Ok(Served::Replayed(records)) => {
                    tracing::info!(request = number, records, "request done: records are sent again");
                }
                Ok(Served::Dropped(letters)) => {
                    tracing::info!(request = number, letters, "request done: dead letters dropped")
                }
                // It was taken back, or what it is about changed meanwhile: the next look finds out.
                Err(JournalError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        pause(REQUEST_EVERY, &stop).await;
    }
    Ok(())
}

/// Does maintenance now and then.
pub(super) async fn keep_up(shared: Shared, stop: CancellationToken) -> Result<(), AppError> {
    let mut dropped = shared.journal.usage().await?.rejected_dropped;
    while !stop.is_cancelled() {
        let done = shared.journal.maintain_until(|| stop.is_cancelled()).await?;
        if !done.expired.is_empty() {
            let directory = shared.journal.directory().await?;
            for (account, site, count) in &done.expired {
                let site = directory.site(account, site).map_or_else(|| site.to_string(), |known| known.name.clone());
                let account = directory.name_of(account);
                tracing::warn!(
                    account,
                    site,
                    count,
                    "records of a site that nobody mapped were held longer than hold_for: dropped"
                );
            }
        }
        let now = shared.journal.usage().await?.rejected_dropped;
        if now > dropped {
            let hint = "`vintner dead-letters list` shows what unreadable items look like; a larger `journal.max_bytes` keeps more";
            tracing::warn!(
                count = now.saturating_sub(dropped),
                hint,
                "oldest dead letters of unreadable items dropped"
            );
            dropped = now;
        }
        pause(UPKEEP_EVERY, &stop).await;
    }
    Ok(())
}

async fn pause(duration: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(duration) => {}
        () = stop.cancelled() => {}
    }
}

#[cfg(test)]
mod tests;
