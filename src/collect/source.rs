//! What all streams of one account share: who it is, how it is asked, where its records go.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::clock::api::NOTABLE;
use crate::clock::{Clock, Millis};
use crate::collect::alerts::closed::Closed;
use crate::collect::changes;
use crate::collect::count::ListCount;
use crate::collect::inventory::look::Rules;
use crate::collect::sites::SiteList;
use crate::collect::status::{LastPass, Status};
use crate::collect::unsettled::Settling;
use crate::datto::client::Client;
use crate::datto::error::ClientError;
use crate::inventory::Account;
use crate::journal::items::{ItemIntake, ItemPage};
use crate::journal::sqlite::Journal;
use crate::journal::{Intake, JournalError, Page};
use crate::org::audit::Change;
use crate::record::{AccountUid, Stream};
use crate::telemetry::{Metrics, RecordFate};

/// How often a full journal is tried again.
const FULL_RETRY: Duration = Duration::from_secs(5);

/// One account, as its streams see it.
#[derive(Debug)]
pub struct Source {
    /// Who it is.
    pub account: Account,
    /// How it is asked.
    pub client: Client,
    /// Where its records go.
    pub journal: Journal,
    /// Wall time.
    pub clock: Clock,
    /// Counters.
    pub metrics: Metrics,
    /// How its streams do.
    pub status: Status,
    /// What of its inventory is told.
    pub inventory: Rules,
    /// The alerts that became known as closed lately.
    pub closed: Closed,
    /// Held while records get the sites of their devices, so that two streams do not ask for one device.
    pub settling: Mutex<Settling>,
    /// Guards the refresh of the site list.
    pub sites: Mutex<SiteList>,
}

/// Why a pass ended before its end; the position of its stream stands where it was.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The API did not answer as needed.
    #[error("the API did not give what was asked for")]
    Client(#[from] ClientError),
    /// The journal did not take it.
    #[error("the journal did not take what was read")]
    Journal(#[from] JournalError),
}

impl Source {
    /// Commits a page; waits while the journal is full. [`JournalError::Conflict`] is for the caller, who computes anew.
    pub async fn commit(&self, page: Page) -> Result<Intake, JournalError> {
        let stream = page.stream;
        let mut is_waiting = false;
        self.closed.note(&page.alerts);
        loop {
            match self.journal.commit(page.clone()).await {
                Err(JournalError::Full { used, limit }) => {
                    if !is_waiting {
                        let causes = self.journal.causes().await?;
                        let (cause, hint) = (causes.to_string(), causes.hint());
                        tracing::error!(
                            account = self.account.name,
                            stream = stream.as_str(),
                            used,
                            limit,
                            cause,
                            hint,
                            "the journal is full: this stream waits, its position stands still"
                        );
                        self.status.set_waiting(stream, "the journal is full");
                    }
                    is_waiting = true;
                    tokio::time::sleep(FULL_RETRY).await;
                }
                Err(error) => return Err(error),
                Ok(intake) => {
                    if is_waiting {
                        tracing::info!(
                            account = self.account.name,
                            stream = stream.as_str(),
                            "the journal has room again"
                        );
                    }
                    self.closed.note(&page.alerts);
                    self.count(stream, &intake);
                    return Ok(intake);
                }
            }
        }
    }

    /// Commits a page of the inventory. A full journal does not refuse it: rows are stored, records postponed.
    pub async fn commit_items(&self, page: ItemPage) -> Result<ItemIntake, JournalError> {
        let done = self.journal.commit_items(&self.account.uid, page).await?;
        self.count(Stream::Inventory, &done.intake);
        self.log_changes(&done.changes).await?;
        Ok(done)
    }

    /// Logs what the inventory changed about who sees what.
    pub(super) async fn log_changes(&self, found: &[Change]) -> Result<(), JournalError> {
        if !found.is_empty() {
            changes::log(&*self.journal.directory().await?, found);
        }
        Ok(())
    }

    fn count(&self, stream: Stream, intake: &Intake) {
        let fates = [
            (RecordFate::Taken, intake.taken),
            (RecordFate::Held, intake.held),
            (RecordFate::Repeated, intake.repeats),
            (RecordFate::Filtered, intake.filtered),
            (RecordFate::Ignored, intake.ignored),
            (RecordFate::Dropped, intake.dropped),
            (RecordFate::Rejected, intake.rejected),
        ];
        for (fate, n) in fates {
            self.metrics.count_records(&self.account.name, stream.as_str(), fate, n);
        }
        if intake.rejected > 0 {
            tracing::warn!(
                account = self.account.name,
                stream = stream.as_str(),
                count = intake.rejected,
                "items that no record can be made of were kept as dead letters: see `vintner dead-letters list`"
            );
        }
        self.status.count(stream, intake);
    }

    /// Writes down how the last pass of a stream went, for a look at the journal when nothing runs.
    pub async fn keep_pass(&self, stream: Stream) -> Result<(), JournalError> {
        let Some(pass) = self.status.get().get(&stream).and_then(LastPass::of) else { return Ok(()) };
        let value = serde_json::to_string(&pass).unwrap_or_default();
        self.journal.put_cursors(&self.account.uid, vec![(LastPass::cursor(stream), value)]).await
    }

    /// Remembers how long a list was that was read to its end; logs when it begins or ceases to be short.
    pub fn note_list(&self, stream: Stream, count: ListCount) {
        let before = self.status.set_list(stream, count);
        let state = |count: &ListCount| (count.missing() > 0, count.may_prove_absence());
        if before.as_ref().map_or((false, true), state) == state(&count) {
            return;
        }
        let (account, list) = (&self.account.name, count.list.title());
        if count.missing() == 0 {
            tracing::info!(account, rows = count.rows, "{list} is whole again");
            return;
        }
        let hint = if count.may_prove_absence() {
            "the API user may not see everything: compare its security level with the numbers; \
             the counts may include what no list shows"
        } else {
            "the API user may not see everything: compare its security level with the numbers; \
             while the list is short, nothing that it does not show is reported as gone"
        };
        tracing::warn!(
            account,
            rows = count.rows,
            total_count = count.total_count,
            account_devices = count.account_devices,
            site_devices = count.site_devices,
            hint,
            "{list} is short"
        );
    }

    /// The time by the API's clock, what its records and lists are compared with; by this machine's while no clock can be trusted, so
    /// only for what may be wrong for a while.
    pub fn api_now(&self) -> Millis {
        self.client.source_time().now.unwrap_or_else(|| self.clock.now())
    }

    /// The time by the API's clock, for what is stored and compared later; `None` while no clock can be trusted.
    pub fn api_time(&self) -> Option<Millis> {
        self.client.source_time().now
    }

    /// The account's cut time: what is older is not emitted on a first start. Fixed at the first call, read from the journal ever after.
    /// `None` while no clock can be trusted to fix it.
    pub async fn cut(&self, start: Start) -> Result<Option<Cut>, JournalError> {
        const NAME: &str = "start.cut";
        let uid = &self.account.uid;
        let time = self.client.source_time();
        let stored = stored_time(&self.journal, uid, NAME).await?;
        if let Some(at) = stored.filter(|at| time.earliest.is_none() || *at <= time.latest.plus(NOTABLE)) {
            return Ok(Some(Cut { at, is_new: false }));
        }
        let at = match (start, time.earliest) {
            (Start::All, _) => Millis(i64::MIN),
            (Start::Now | Start::Ago(_), None) => return Ok(None),
            (Start::Now, Some(now)) => now,
            (Start::Ago(reach), Some(now)) => now.minus(reach),
        };
        if let Some(future) = stored {
            let account = &self.account.name;
            tracing::warn!(account, stored = %future, start = %at, "the stored start lies in the future: it is fixed anew");
        }
        self.journal.put_cursors(uid, vec![(NAME.to_owned(), at.0.to_string())]).await?;
        Ok(Some(Cut { at, is_new: true }))
    }
}

/// A time that was stored as a cursor; see [`stored`].
pub async fn stored_time(journal: &Journal, account: &AccountUid, name: &str) -> Result<Option<Millis>, JournalError> {
    stored(journal, account, name).await
}

/// A value that was stored as a cursor, in JSON. One that cannot be read stops the program: it is never taken for "none".
pub async fn stored<T: DeserializeOwned>(
    journal: &Journal,
    account: &AccountUid,
    name: &str,
) -> Result<Option<T>, JournalError> {
    let Some(text) = journal.cursor(account, name).await? else { return Ok(None) };
    match serde_json::from_str(&text) {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(JournalError::Unusable {
            path: journal.path().to_owned(),
            reason: format!(
                "the cursor `{name}` of account {account} cannot be read; restore a copy of the journal or move it aside"
            ),
        }),
    }
}

/// How far back a first start reaches (`start` of an account).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Only what happens from now on.
    Now,
    /// This much of the past.
    Ago(Duration),
    /// Everything that the API shows.
    All,
}

/// The stored cut time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// What is older is noted silently.
    pub at: Millis,
    /// Whether this start fixed it.
    pub is_new: bool,
}

/// A source that streams share.
pub type SharedSource = Arc<Source>;
