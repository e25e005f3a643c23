//! Whether the log shows USER rows. An API user without the security level Administrator may get DEVICE rows only, and
//! nothing in the answers says that the others are missing (datto-rmm-api.md section 2).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::datto::client::Client;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::model::activity::{self, Entity};
use crate::datto::page::PageRequest;

#[cfg(test)]
mod tests;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How far back the log is asked for USER rows. Within a week somebody logs in, if only vintner itself.
pub const REACH: Duration = Duration::from_secs(7 * 24 * 3600);

/// After a day without a USER row the log is asked for one, at most once a day.
const ASK_EVERY: Duration = DAY;

/// Where the log cannot be asked, DEVICE rows over this much time and nothing else are evidence enough.
const EVIDENT_SPAN: Duration = Duration::from_secs(3 * 24 * 3600);
/// So many of them at least.
const EVIDENT_ROWS: u64 = 10;

/// Rows of the page that answers a question. More than one, so that a server that ignores the filter is noticed.
const QUESTION_SIZE: u32 = 20;

/// What is missing and what to do about it, for logs and `check`.
pub const HINT: &str =
    "give the API user the security level Administrator: log-ins, role changes and API keys stand in USER rows only";

/// Name of the cursor that keeps [`UserRows`].
pub const CURSOR: &str = "activity.user_rows";

/// What the log has shown of both kinds of rows. Kept in the journal, so that a restart forgets nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserRows {
    /// When an answer last held a USER row: the API user had the right then, however old the row was.
    pub user_shown: Option<Millis>,
    /// Date of the newest DEVICE row.
    pub newest_device: Option<Millis>,
    /// Date of the first of `devices`.
    first_device: Option<Millis>,
    /// Different DEVICE rows since `user_shown`, at least.
    devices: u64,
    /// When the log was last asked for USER rows.
    asked: Option<Millis>,
    /// Since when USER rows are reported missing.
    pub missing: Option<Missing>,
    /// A time without USER rows that is over, and whose rows are not read yet.
    pub hidden: Option<Missing>,
}

/// A time without USER rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// When it was noticed.
    pub since: Millis,
    /// When the log last showed a USER row before; `None` if it never did.
    pub shown_before: Option<Millis>,
}

/// What the log answered to a question for one kind of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It showed such a row.
    Shown,
    /// It showed no row.
    Nothing,
    /// It showed other rows only: the filter has no effect, so nothing is known.
    Unfiltered,
}

/// Asks the log for rows of one kind within [`REACH`]. Costs one request.
pub async fn ask(client: &Client, lane: Lane, entity: Entity, now: Millis) -> Result<Asked, ClientError> {
    let request = PageRequest::activity(now.minus(REACH), now, QUESTION_SIZE).with("entities", entity.as_query());
    let page = client.page(lane, &request).await?;
    let shows = page.items.iter().any(|item| activity::decode(item).is_ok_and(|row| row.entity_kind() == Some(entity)));
    Ok(match (shows, page.items.is_empty()) {
        (true, _) => Asked::Shown,
        (false, true) => Asked::Nothing,
        (false, false) => Asked::Unfiltered,
    })
}

impl UserRows {
    /// The cursor that keeps it.
    pub fn cursor(&self) -> (String, String) {
        (CURSOR.to_owned(), serde_json::to_string(self).unwrap_or_default())
    }

    /// An answer that came at `shown_at` held a row. A DEVICE row without a date, or with one that is far ahead, proves nothing.
    pub fn note(&mut self, entity: Entity, dated: Option<Millis>, shown_at: Millis) {
        match entity {
            Entity::User => self.note_user(shown_at),
            Entity::Device => {
                let Some(dated) = dated.filter(|dated| *dated <= shown_at.plus(DAY)) else { return };
                // Rows come again with every pass; those that are newer than all before are different ones for sure.
                if self.newest_device.is_none_or(|newest| dated > newest) {
                    self.newest_device = Some(dated);
                    self.first_device = self.first_device.or(Some(dated));
                    self.devices = self.devices.saturating_add(1);
                }
            }
        }
    }

    fn note_user(&mut self, shown_at: Millis) {
        self.user_shown = Some(shown_at);
        self.first_device = None;
        self.devices = 0;
        self.hidden = self.missing.take().or(self.hidden);
    }

    /// Whether the log must be asked for USER rows: it shows DEVICE rows, and for a day it has shown no USER row.
    pub fn is_question_due(&self, now: Millis) -> bool {
        let is_in_use = self.newest_device.is_some_and(|at| now.since(at) < REACH);
        is_in_use && is_over(self.user_shown, ASK_EVERY, now) && is_over(self.asked, ASK_EVERY, now)
    }

    /// Takes the answer to the question that was asked at `now`.
    pub fn answered(&mut self, answer: &Result<Asked, ClientError>, now: Millis) {
        let is_missing = match answer {
            Ok(Asked::Shown) => {
                self.note_user(now);
                false
            }
            Ok(Asked::Nothing) | Err(ClientError::Forbidden { .. }) => true,
            Err(error) if error.is_of_account() => return,
            // A missing right may show as a server error too.
            Ok(Asked::Unfiltered) | Err(_) => self.is_evident(),
        };
        self.asked = Some(now);
        if is_missing && self.missing.is_none() {
            self.missing = Some(Missing { since: now, shown_before: self.user_shown });
        }
    }

    fn is_evident(&self) -> bool {
        let (Some(first), Some(newest)) = (self.first_device, self.newest_device) else { return false };
        self.devices >= EVIDENT_ROWS && newest.since(first) >= EVIDENT_SPAN
    }
}

/// Whether `span` has passed since `at`. A time ahead of the clock, which was set back, counts as past.
fn is_over(at: Option<Millis>, span: Duration, now: Millis) -> bool {
    at.is_none_or(|at| at > now || now.since(at) >= span)
}
