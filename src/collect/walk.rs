//! A list that is read page by page to its end, whatever its links say, and never without end.
//!
//! RowSet of a numbered list move while it is read: what comes in front shows rows again, a whole page of them after a long wait.
//! So one page without a new row is taken as it is. After a second one the first page is read again: if rows came in front, some
//! of them are new there, and the list goes on. If not, the list does not move at all: the server ignores which page is asked for.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::collect::walk::rows::RowSet;
use crate::datto::client::Client;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::page::{ListPage, PageRequest};

pub mod rows;

/// Pages in a row without items but with a link to a next one, at which the list counts as ended.
const EMPTY_PAGES: u32 = 2;
/// Pages in a row without a new row, at which the first page is read again.
const KNOWN_PAGES: u32 = 2;
/// Most pages of a list: 2.5 million rows. The longest list that is known has a hundred and twenty.
pub const MAX_PAGES: u64 = 10_000;
/// Longest wait for a new row, everything included that delays an answer. Four times the longest pause that a 429 may ask for.
const PATIENCE: Duration = Duration::from_secs(3600);
/// A list that takes longer is logged this often.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// A walk over one list.
#[derive(Debug)]
pub struct Walk {
    first: PageRequest,
    next: Option<PageRequest>,
    /// Hashes of the requests that were made.
    visited: HashSet<u64>,
    rows: RowSet,
    empty: u32,
    /// Pages in a row without a new row.
    known: u32,
    /// How long answers have been waited for since the last new row.
    waited: Duration,
    logged: Instant,
    max_bytes: u64,
    /// Pages that were read of the same list before.
    pages_before: u64,
    bytes: u64,
    /// Requests so far.
    pub requests: u64,
    /// A page without items stood between others, so rows may have moved.
    pub has_hole: bool,
    /// The list led back to a page that was read already.
    pub is_looped: bool,
    /// It names pages without end that show no new row.
    pub is_stalled: bool,
    /// It has more pages than a list may have.
    pub is_too_long: bool,
    /// The smallest `totalCount` of its first page and of its pages with items; `None` if they gave none.
    pub least_total: Option<u64>,
}

impl Walk {
    /// A walk that begins at `first`.
    pub fn new(first: PageRequest) -> Self {
        Self {
            next: Some(first.clone()),
            first,
            visited: HashSet::new(),
            rows: RowSet::default(),
            empty: 0,
            known: 0,
            waited: Duration::ZERO,
            logged: Instant::now(),
            max_bytes: u64::MAX,
            pages_before: 0,
            bytes: 0,
            requests: 0,
            has_hole: false,
            is_looped: false,
            is_stalled: false,
            is_too_long: false,
            least_total: None,
        }
    }

    /// The same for a list of which `pages` pages were read before: they count.
    #[must_use]
    pub fn after(mut self, pages: u64) -> Self {
        self.pages_before = pages;
        self
    }

    /// A walk for a caller that keeps all items until the end of the list: they may take a few times what one answer may.
    pub fn kept(first: PageRequest, client: &Client) -> Self {
        Self::new(first).with_bytes(client.max_body().saturating_mul(4))
    }

    /// The same walk, whose items have at most `bytes` bytes together.
    #[must_use]
    pub fn with_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The next page; `None` at the end: no link, a link back, or pages without items. A list without an end is
    /// [`ClientError::Endless`].
    ///
    /// A cursor list ends at its first page without items. A numbered list is asked for one page more, since its rows move.
    pub async fn page(&mut self, client: &Client, lane: Lane) -> Result<Option<ListPage>, ClientError> {
        if self.next.is_none() {
            return Ok(None);
        }
        self.check()?;
        if self.known >= KNOWN_PAGES {
            return self.front(client, lane).await.map(Some);
        }
        let Some(request) = self.next.take() else { return Ok(None) };
        if !self.visited.insert(self.rows.hash(&request.key())) {
            self.is_looped = true;
            return Ok(None);
        }
        let mut page = self.ask(client, lane, &request).await?;
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

    /// The first page again. It must show that rows came in front of those that were read.
    async fn front(&mut self, client: &Client, lane: Lane) -> Result<ListPage, ClientError> {
        if self.first.is_numbered() {
            let first = self.first.clone();
            let mut page = self.ask(client, lane, &first).await?;
            page.next = None;
            if self.known == 0 {
                return Ok(page);
            }
        }
        self.is_stalled = true;
        Err(self.endless(format!(
            "it names a next page without end, and {} pages in a row show no row that was not shown before; \
             after {} rows it does not go on",
            self.known,
            self.rows.len()
        )))
    }

    /// One request, its rows counted.
    async fn ask(&mut self, client: &Client, lane: Lane, request: &PageRequest) -> Result<ListPage, ClientError> {
        let began = Instant::now();
        let answer = timeout(PATIENCE.saturating_sub(self.waited), client.page(lane, request)).await;
        self.waited = self.waited.saturating_add(began.elapsed());
        let Ok(answer) = answer else {
            let minutes = PATIENCE.as_secs() / 60;
            return Err(self.endless(format!("no new row for {minutes} minutes, after {} rows", self.rows.len())));
        };
        let page = answer?;
        self.requests += 1;
        let bytes = page.items.iter().map(|item| item.get().len() as u64).fold(0, u64::saturating_add);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.rows.add(&page.items, request.id_field()) > 0 {
            self.known = 0;
            self.waited = Duration::ZERO;
        } else if !page.items.is_empty() {
            self.known += 1;
        }
        if self.logged.elapsed() >= LOG_EVERY {
            self.logged = Instant::now();
            let (pages, rows) = (self.requests, self.rows.len());
            tracing::info!(account = client.account(), path = request.path(), pages, rows, "list is being read");
        }
        Ok(page)
    }

    /// Refuses to go on where a bound is reached.
    fn check(&mut self) -> Result<(), ClientError> {
        let (rows, pages) = (self.rows.len(), self.pages_before.saturating_add(self.requests));
        if pages >= MAX_PAGES || rows >= rows::MAX_ROWS {
            self.is_too_long = true;
            return Err(self.endless(format!(
                "after {pages} pages it still names a next page; at most {MAX_PAGES} pages and {} rows are read",
                rows::MAX_ROWS
            )));
        }
        if self.bytes > self.max_bytes {
            return Err(self.endless(format!(
                "after {pages} pages it has {} bytes, and at most {} can be kept; `limits.max_body` sets a quarter of that",
                self.bytes, self.max_bytes
            )));
        }
        Ok(())
    }

    fn endless(&self, reason: String) -> ClientError {
        ClientError::Endless { path: self.first.path().to_owned(), reason }
    }
}
