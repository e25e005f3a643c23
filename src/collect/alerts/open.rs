//! The open pass: `/v2/account/alerts/open`, to its end.

use crate::clock::Millis;
use crate::collect::alerts::look::Rules;
use crate::collect::alerts::page::{Shown, take};
use crate::collect::count::{CountedList, ListCount};
use crate::collect::source::{PassError, Source};
use crate::collect::walk::Walk;
use crate::collect::walk::rows::RowSet;
use crate::datto::lane::Lane;
use crate::datto::page::PageRequest;
use crate::journal::Seen;
use crate::record::Stream;

const PATH: &str = "/v2/account/alerts/open";

/// What a walk over the open list saw.
#[derive(Debug, Default)]
pub struct OpenWalk {
    /// Every uid.
    pub seen: RowSet,
    /// Alerts of its last page that has any.
    pub last_page: Vec<String>,
    /// Whether the list was read to its end and is as long as it says. Only then does absence mean anything.
    pub is_complete: bool,
    /// Whether rows moved between its pages, so that some may have slipped through.
    pub moved: bool,
    /// Requests that it cost.
    pub requests: u64,
}

/// Walks the list once. What came into it from `began` on came while it was read.
pub async fn walk(source: &Source, rules: Rules, began: Millis) -> Result<OpenWalk, PassError> {
    let mut open = OpenWalk::default();
    let mut list = Walk::new(PageRequest::list(PATH, "alerts"));
    let (mut has_entries, mut unusable) = (false, 0);
    while let Some(answer) = list.page(&source.client, Lane::Alerts).await? {
        let (path, received_at) = (PATH.to_owned(), answer.received_at);
        let page = take(source, rules, Shown { path, seen: Seen::Open, received_at, items: answer.items }).await?;
        unusable += page.unusable;
        has_entries |= page.last_entry.is_some_and(|at| at >= began);
        for uid in &page.uids {
            open.moved |= !open.seen.insert(uid);
        }
        if !page.uids.is_empty() {
            open.last_page = page.uids;
        }
    }
    open.requests = list.requests;
    open.is_complete = !list.is_looped;
    if open.is_complete && !list.has_hole {
        let rows = open.seen.len() as u64 + unusable;
        let count = ListCount::of_pages(CountedList::OpenAlerts, rows, list.least_total);
        source.note_list(Stream::Alerts, count);
        open.is_complete = count.may_prove_absence();
    }
    // What changed the set may have shifted rows past us. A list of one page cannot shift.
    open.moved |= list.is_looped || list.has_hole || (has_entries && list.requests > 1);
    Ok(open)
}
