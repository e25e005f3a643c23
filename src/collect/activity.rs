//! The activity log: windows with an overlap, read to their end, each record told once (architecture.md section 5).

use std::time::Duration;

use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::clock::Millis;
use crate::collect::activity::list::WindowList;
use crate::collect::activity::row::{Row, read};
use crate::collect::activity::user_rows::{Missing, UserRows};
use crate::collect::activity::window::{Reach, Reached, SLICE, Window};
use crate::collect::source::{PassError, SharedSource, stored, stored_time};
use crate::datto::lane;
use crate::datto::model::activity::Entity;
use crate::diagnostic::causes;
use crate::journal::{DatedRecord, JournalError, Lane, Page, UNDATED};
use crate::record::Stream;
use crate::record::place::SiteRef;

pub mod derived;
mod details;
pub mod list;
pub mod row;
pub mod user_rows;
pub mod window;

/// API path of the list.
pub const PATH: &str = "/v2/activity-logs";

/// Rows of a page: the most that any client was seen to ask for (datto-rmm-api.md section 10).
pub const PAGE_SIZE: u32 = 250;

/// Name of the cursor: the time up to which windows have been read to their end.
const WATERMARK: &str = "activity.watermark";

/// The activity log of one account.
#[derive(Debug)]
pub struct ActivityStream {
    source: SharedSource,
    cut: Millis,
    reach: Reach,
    /// The stored watermark, and a moment when it had certainly come.
    reached: Option<(Millis, Instant)>,
    /// The first slice of the next pass.
    slice: Duration,
    /// Read from the journal by the first pass.
    user_rows: UserRows,
    is_loaded: bool,
    /// When the log last warned that USER rows are missing.
    warned: Option<Instant>,
}

/// A lasting lack of USER rows is warned of again this often.
const WARN_EVERY: Duration = Duration::from_secs(24 * 3600);

/// What a pass cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassReport {
    /// Requests.
    pub requests: u64,
}

impl ActivityStream {
    /// A stream that starts at `cut` if the journal has no watermark yet.
    pub fn new(source: SharedSource, cut: Millis) -> Self {
        Self {
            source,
            cut,
            reach: Reach::default(),
            reached: None,
            slice: SLICE,
            user_rows: UserRows::default(),
            is_loaded: false,
            warned: None,
        }
    }

    /// Reads from the watermark less a margin up to now, in slices; the watermark moves behind each slice.
    pub async fn pass(&mut self) -> Result<PassReport, PassError> {
        let watermark = self.watermark().await?;
        let time = self.time(watermark);
        let margin = self.reach.margin();
        self.load_user_rows().await?;
        let mut report = PassReport::default();
        let mut last_pages = None;
        let mut slices = Window::since(watermark, margin, self.cut, time).slices(self.slice);
        while let Some(slice) = slices.next(last_pages) {
            let list = self.read(slice).await?;
            last_pages = Some(list.pages);
            report.requests += list.requests;
        }
        self.slice = SLICE;
        self.reach.done(margin, last_pages.unwrap_or(0));
        report.requests += self.settle_user_rows().await?;
        Ok(report)
    }

    /// How far time has come, by the API's clock. While no clock can be trusted, monotonic time goes on from the watermark.
    fn time(&mut self, watermark: Option<Millis>) -> Reached {
        let time = self.source.client.source_time();
        let since = |watermark: Millis| match self.reached {
            Some((reached, at)) if reached == watermark => (reached, at),
            Some(_) | None => (watermark, Instant::now()),
        };
        self.reached = watermark.map(since);
        let passed = self.reached.map(|(reached, at)| reached.plus(at.elapsed()));
        Reached { certain: time.earliest.or(passed), latest: time.latest }
    }

    async fn watermark(&self) -> Result<Option<Millis>, PassError> {
        Ok(stored_time(&self.source.journal, &self.source.account.uid, WATERMARK).await?)
    }

    /// Reads one window to its end.
    async fn read(&mut self, window: Window) -> Result<WindowList, PassError> {
        let began = Instant::now();
        let mut list = WindowList::new(window);
        loop {
            let page = list.page(&self.source.client, lane::Lane::Activity).await;
            if list.is_too_long() {
                // The next pass reads less at once: the log may truly have that many rows.
                self.slice = window.shorter();
            }
            let Some(page) = page? else { break };
            list.note(self.take(page.received_at, &page.items).await?);
        }
        let mut cursors = vec![self.user_rows.cursor()];
        if let Some(reached) = window.watermark() {
            self.reached = Some((reached, began));
            cursors.push((WATERMARK.to_owned(), reached.0.to_string()));
        }
        self.put_cursors(cursors).await?;
        Ok(list)
    }

    /// Commits one page; gives id and date of its rows.
    async fn take(&mut self, received_at: Millis, items: &[Box<RawValue>]) -> Result<Vec<(String, Millis)>, PassError> {
        let (account, shown_at) = (self.source.account.uid.clone(), self.source.api_now());
        let (mut records, mut rejected) = (Vec::new(), Vec::new());
        for item in items {
            match read(&account, item, received_at) {
                Row::Record(record, entity) => {
                    if let Some(entity) = entity {
                        self.user_rows.note(entity, Some(record.dated).filter(|dated| *dated != UNDATED), shown_at);
                    }
                    records.push(*record);
                }
                Row::Rejected(item) => rejected.push(item),
            }
        }
        let rows = records.iter().map(|dated| (dated.record.envelope.native_id.clone(), dated.dated)).collect();
        // What happened before the first start's cut is not told, though a margin reads it.
        records.retain(|dated: &DatedRecord| dated.dated >= self.cut);
        records.sort_by_key(|dated| if dated.dated == UNDATED { received_at } else { dated.dated });
        let records = self.with_derived(records).await?;
        let sites: Vec<&SiteRef> = records.iter().map(|dated| &dated.record.envelope.site).collect();
        self.source.know_sites(&sites).await?;
        let mut records = records;
        let envelopes = records.iter_mut().map(|dated| &mut dated.record.envelope);
        self.source.leave_to_devices(envelopes.map(|envelope| (&mut envelope.site, &envelope.device))).await?;
        let page = Page {
            account,
            stream: Stream::Activity,
            lane: Lane::Live,
            received_at,
            cursors: Vec::new(),
            alerts: Vec::new(),
            records,
            rejected,
        };
        if !page.records.is_empty() || !page.rejected.is_empty() {
            self.source.commit(page).await?;
        }
        Ok(rows)
    }
}

impl ActivityStream {
    /// The rows, each with the records derived from it behind it.
    async fn with_derived(&self, rows: Vec<DatedRecord>) -> Result<Vec<DatedRecord>, PassError> {
        let mut records = Vec::with_capacity(rows.len());
        for mut row in rows {
            let derived = derived::of(&self.source, &mut row).await?;
            records.push(row);
            records.extend(derived);
        }
        Ok(records)
    }
}

/// USER rows: whether the log shows them.
impl ActivityStream {
    async fn load_user_rows(&mut self) -> Result<(), PassError> {
        if !self.is_loaded {
            let stored = stored(&self.source.journal, &self.source.account.uid, user_rows::CURSOR).await?;
            self.user_rows = stored.unwrap_or_default();
            self.source.status.set_user_rows(self.user_rows);
            self.is_loaded = true;
        }
        Ok(())
    }

    /// Judges what a complete pass showed; gives the number of requests that it took.
    async fn settle_user_rows(&mut self) -> Result<u64, PassError> {
        let now = self.source.api_now();
        let is_due = self.user_rows.is_question_due(now);
        if is_due {
            let answer = user_rows::ask(&self.source.client, lane::Lane::Activity, Entity::User, now).await;
            if let Err(error) = &answer {
                let error = causes::line(error);
                tracing::debug!(account = self.source.account.name, error, "the log cannot be asked for USER rows");
            }
            self.user_rows.answered(&answer, now);
            self.put_cursors(vec![self.user_rows.cursor()]).await?;
        }
        if let Some(hidden) = self.user_rows.hidden {
            self.catch_up(hidden).await?;
        }
        self.source.status.set_user_rows(self.user_rows);
        self.warn_of_missing();
        Ok(u64::from(is_due))
    }

    /// The log shows USER rows again: what it hid until now is read from where it last showed one.
    async fn catch_up(&mut self, hidden: Missing) -> Result<(), PassError> {
        let from = hidden.shown_before.unwrap_or(self.cut).max(self.cut);
        let from = self.watermark().await?.map_or(from, |reached| reached.min(from));
        self.user_rows.hidden = None;
        self.put_cursors(vec![(WATERMARK.to_owned(), from.0.to_string()), self.user_rows.cursor()]).await?;
        tracing::info!(
            account = self.source.account.name, since = %hidden.since,
            "the activity log shows USER rows again; the next pass reads what it hid until now"
        );
        Ok(())
    }

    fn warn_of_missing(&mut self) {
        let Some(missing) = self.user_rows.missing else {
            self.warned = None;
            return;
        };
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            self.warned = Some(Instant::now());
            tracing::warn!(
                account = self.source.account.name, since = %missing.since, hint = user_rows::HINT,
                "the activity log shows DEVICE rows and no USER row"
            );
        }
    }

    async fn put_cursors(&self, cursors: Vec<(String, String)>) -> Result<(), JournalError> {
        self.source.journal.put_cursors(&self.source.account.uid, cursors).await
    }
}

/// The API keeps this much history (datto-rmm-api.md section 10).
pub const RETENTION: Duration = Duration::from_secs(180 * 24 * 3600);
