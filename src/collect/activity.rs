//! The activity log: windows with an overlap, read to their end, each record told once (architecture.md section 5).

use std::time::Duration;

use serde_json::value::RawValue;

use crate::clock::Millis;
use crate::collect::activity::list::WindowList;
use crate::collect::activity::row::{Row, read};
use crate::collect::activity::window::{Reach, Window};
use crate::collect::source::{PassError, SharedSource, stored_time};
use crate::datto::lane;
use crate::journal::{DatedRecord, Lane, Page};
use crate::record::{SiteRef, Stream};

mod details;
pub mod list;
pub mod row;
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
}

/// What a pass cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassReport {
    /// Requests.
    pub requests: u64,
}

impl ActivityStream {
    /// A stream that starts at `cut` if the journal has no watermark yet.
    pub fn new(source: SharedSource, cut: Millis) -> Self {
        Self { source, cut, reach: Reach::default() }
    }

    /// Reads from the watermark less a margin up to now, in slices; the watermark moves behind each slice.
    pub async fn pass(&mut self) -> Result<PassReport, PassError> {
        let now = self.source.api_now();
        let watermark = self.watermark().await?;
        let margin = self.reach.margin();
        let mut report = PassReport::default();
        let mut last_pages = None;
        let mut slices = Window::since(watermark, margin, self.cut, now).slices();
        while let Some(slice) = slices.next(last_pages) {
            let list = self.read(slice).await?;
            last_pages = Some(list.pages);
            report.requests += list.requests;
        }
        self.reach.done(margin, last_pages.unwrap_or(0));
        Ok(report)
    }

    async fn watermark(&self) -> Result<Option<Millis>, PassError> {
        Ok(stored_time(&self.source.journal, &self.source.account.uid, WATERMARK).await?)
    }

    /// Reads one window to its end.
    async fn read(&self, window: Window) -> Result<WindowList, PassError> {
        let mut list = WindowList::new(window);
        while let Some(page) = list.page(&self.source.client, lane::Lane::Activity).await? {
            list.note(self.take(page.received_at, &page.items).await?);
        }
        let reached = (WATERMARK.to_owned(), window.until.0.to_string());
        self.source.journal.put_cursors(&self.source.account.uid, vec![reached]).await?;
        Ok(list)
    }

    /// Commits one page; gives id and date of its rows.
    async fn take(&self, received_at: Millis, items: &[Box<RawValue>]) -> Result<Vec<(String, Millis)>, PassError> {
        let account = &self.source.account.uid;
        let (mut records, mut rejected) = (Vec::new(), Vec::new());
        for item in items {
            match read(account, item, received_at) {
                Row::Record(record) => records.push(*record),
                Row::Rejected(item) => rejected.push(item),
            }
        }
        let rows = records.iter().map(|dated| (dated.record.envelope.native_id.clone(), dated.dated)).collect();
        // What happened before the first start's cut is not told, though a margin reads it.
        records.retain(|dated: &DatedRecord| dated.dated >= self.cut);
        let sites: Vec<&SiteRef> = records.iter().map(|dated| &dated.record.envelope.site).collect();
        self.source.know_sites(&sites).await?;
        let page = Page {
            account: account.clone(),
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

/// The API keeps this much history (datto-rmm-api.md section 10).
pub const RETENTION: Duration = Duration::from_secs(180 * 24 * 3600);
