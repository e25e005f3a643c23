//! The activity log: windows with an overlap, read to their end, each record told once (architecture.md section 5).

use std::collections::HashSet;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::clock::Millis;
use crate::collect::activity::row::{Row, read};
use crate::collect::activity::window::{Reach, Window};
use crate::collect::source::{PassError, SharedSource, stored_time};
use crate::collect::walk::Walk;
use crate::datto::lane;
use crate::datto::page::PageRequest;
use crate::journal::{DatedRecord, Lane, Page};
use crate::record::{SiteRef, Stream};

mod details;
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
        let mut last_pages = 0;
        let mut slices = Window::since(watermark, margin, self.cut, now).slices();
        while let Some(slice) = slices.next(last_pages) {
            last_pages = self.read(slice).await?;
            report.requests += last_pages;
        }
        self.reach.done(margin, last_pages);
        Ok(report)
    }

    async fn watermark(&self) -> Result<Option<Millis>, PassError> {
        Ok(stored_time(&self.source.journal, &self.source.account.uid, WATERMARK).await?)
    }

    /// Reads one window to its end; gives the number of its pages.
    ///
    /// A list that leads back to a page already read has lost its place. It is asked for anew from the last row on, for as
    /// long as that shows rows which this window has not shown before.
    async fn read(&self, window: Window) -> Result<u64, PassError> {
        let (mut pages, mut shown, mut from) = (0, HashSet::new(), window.from);
        loop {
            let mut list = Walk::new(PageRequest::activity(from, window.until, PAGE_SIZE));
            let (known, mut last) = (shown.len(), from);
            while let Some(page) = list.page(&self.source.client, lane::Lane::Activity).await? {
                let rows = self.take(page.received_at, &page.items).await?;
                last =
                    rows.iter().map(|(_, dated)| *dated).filter(|dated| *dated < window.until).fold(last, Millis::max);
                shown.extend(rows.into_iter().map(|(id, _)| id));
            }
            pages += list.requests;
            if !list.is_looped || shown.len() == known || last == from {
                break;
            }
            from = last;
        }
        let reached = (WATERMARK.to_owned(), window.until.0.to_string());
        self.source.journal.put_cursors(&self.source.account.uid, vec![reached]).await?;
        Ok(pages)
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
        let envelopes = records.iter_mut().map(|dated| &mut dated.record.envelope);
        self.source.leave_to_devices(envelopes.map(|envelope| (&mut envelope.site, &envelope.device))).await?;
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
