//! One window of the activity log, page by page to its end, even where the log leads back to a page that was read.

use std::collections::HashSet;

use crate::clock::Millis;
use crate::collect::activity::PAGE_SIZE;
use crate::collect::activity::window::Window;
use crate::collect::walk::Walk;
use crate::datto::client::Client;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::page::{ListPage, PageRequest};

/// The pages of a window. After each page, [`WindowList::note`] its rows.
///
/// A list that leads back has lost its place. It is asked for anew from the last row on, for as long as that shows rows
/// which this window has not shown before.
#[derive(Debug)]
pub struct WindowList {
    until: Millis,
    list: Walk,
    /// Where `list` begins.
    from: Millis,
    /// The latest row of `list`.
    last: Millis,
    /// Ids of all rows, and how many of them came before `list`.
    rows: HashSet<String>,
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
            rows: HashSet::new(),
            rows_before: 0,
            requests: 0,
            pages: 0,
        }
    }

    /// The next page; `None` at the end of the window.
    pub async fn page(&mut self, client: &Client, lane: Lane) -> Result<Option<ListPage>, ClientError> {
        loop {
            if let Some(page) = self.list.page(client, lane).await? {
                self.requests += 1;
                return Ok(Some(page));
            }
            if !self.list.is_looped || self.rows.len() == self.rows_before || self.last == self.from {
                return Ok(None);
            }
            self.from = self.last;
            self.rows_before = self.rows.len();
            self.list = list(self.from, self.until);
        }
    }

    /// Notes the rows of a page: id and date of each.
    pub fn note(&mut self, rows: impl IntoIterator<Item = (String, Millis)>) {
        let known = self.rows.len();
        for (id, date) in rows {
            if date < self.until {
                self.last = self.last.max(date);
            }
            self.rows.insert(id);
        }
        self.pages += u64::from(self.rows.len() > known);
    }
}

fn list(from: Millis, until: Millis) -> Walk {
    Walk::new(PageRequest::activity(from, until, PAGE_SIZE))
}
