//! A list that is read page by page to its end, whatever its links say.

use std::collections::HashSet;

use crate::datto::client::Client;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::page::{ListPage, PageRequest};

/// Pages in a row without items but with a link to a next one, at which the list counts as ended.
const EMPTY_PAGES: u32 = 2;

/// A walk over one list.
#[derive(Debug)]
pub struct Walk {
    next: Option<PageRequest>,
    visited: HashSet<String>,
    empty: u32,
    /// Requests so far.
    pub requests: u64,
    /// A page without items stood between others, so rows may have moved.
    pub has_hole: bool,
    /// The list led back to a page that was read already.
    pub is_looped: bool,
    /// The smallest `totalCount` of its first page and of its pages with items; `None` if they gave none.
    pub least_total: Option<u64>,
}

impl Walk {
    /// A walk that begins at `first`.
    pub fn new(first: PageRequest) -> Self {
        let visited = HashSet::new();
        Self { next: Some(first), visited, empty: 0, requests: 0, has_hole: false, is_looped: false, least_total: None }
    }

    /// The next page; `None` at the end: no link, a link back, or pages without items.
    ///
    /// A cursor list ends at its first page without items. A numbered list is asked for one page more, since its rows move.
    pub async fn page(&mut self, client: &Client, lane: Lane) -> Result<Option<ListPage>, ClientError> {
        let Some(request) = self.next.take() else { return Ok(None) };
        if !self.visited.insert(request.key()) {
            self.is_looped = true;
            return Ok(None);
        }
        let mut page = client.page(lane, &request).await?;
        self.requests += 1;
        // A page behind the last row may count none.
        if let Some(total) = page.total_count.filter(|_| self.requests == 1 || !page.items.is_empty()) {
            self.least_total = Some(self.least_total.map_or(total, |least| least.min(total)));
        }
        if page.items.is_empty() {
            self.empty += 1;
        } else {
            self.has_hole |= self.empty > 0;
            self.empty = 0;
        }
        self.next = page.next.take().filter(|_| self.empty < EMPTY_PAGES);
        Ok(Some(page))
    }
}
