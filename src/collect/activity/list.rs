//! One window of the activity log, page by page to its end, even where the log leads back to a page that was read.

use crate::clock::Millis;
use crate::collect::activity::PAGE_SIZE;
use crate::collect::activity::window::Window;
use crate::collect::walk::Walk;
use crate::collect::walk::rows::RowSet;
use crate::datto::client::Client;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::page::{ListPage, PageRequest};

/// The pages of a window. After each page, [`WindowList::note`] its rows.
///
/// A list that leads back, or whose cursors lead nowhere, has lost its place. It is asked for anew from the last row on, for as
/// long as that shows rows which this window has not shown before. After that one that leads back has ended; one that names a
/// next page without end has not.
#[derive(Debug)]
pub struct WindowList {
    until: Millis,
    list: Walk,
    /// Where `list` begins.
    from: Millis,
    /// The latest row of `list`.
    last: Millis,
    /// All rows, and how many of them came before `list`.
    rows: RowSet,
    rows_before: usize,
    /// Requests so far.
    pub requests: u64,
    /// Pages that showed a row for the first time: what the window costs, whatever form the end of the log has.
    pub pages: u64,
}

impl WindowList {
    /// The list of `window`.
    pub fn new(window: Window) -> Self {
        Self {
            until: window.until,
            list: list(window.from, window.until),
            from: window.from,
            last: window.from,
            rows: RowSet::default(),
            rows_before: 0,
            requests: 0,
            pages: 0,
        }
    }

    /// The next page; `None` at the end of the window.
    pub async fn page(&mut self, client: &Client, lane: Lane) -> Result<Option<ListPage>, ClientError> {
        loop {
            match self.list.page(client, lane).await {
                Ok(Some(page)) => {
                    self.requests += 1;
                    return Ok(Some(page));
                }
                Ok(None) if self.list.is_looped && self.may_begin_anew() => {}
                Ok(None) => return Ok(None),
                Err(_) if self.list.is_stalled && self.may_begin_anew() => {}
                Err(error) => return Err(error),
            }
            self.from = self.last;
            self.rows_before = self.rows.len();
            self.list = list(self.from, self.until).after(self.requests);
        }
    }

    /// Whether it has more pages than a list may have.
    pub fn is_too_long(&self) -> bool {
        self.list.is_too_long
    }

    fn may_begin_anew(&self) -> bool {
        self.rows.len() > self.rows_before && self.last > self.from
    }

    /// Notes the rows of a page: id and date of each.
    pub fn note(&mut self, rows: impl IntoIterator<Item = (String, Millis)>) {
        let known = self.rows.len();
        for (id, date) in rows {
            if date < self.until {
                self.last = self.last.max(date);
            }
            self.rows.insert(&id);
        }
        self.pages += u64::from(self.rows.len() > known);
    }
}

fn list(from: Millis, until: Millis) -> Walk {
    Walk::new(PageRequest::activity(from, until, PAGE_SIZE))
}
