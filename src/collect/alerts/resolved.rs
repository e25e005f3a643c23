//! The resolved pass: `/v2/account/alerts/resolved` from its front, and now and then to its end.
//!
//! The list has no documented order and no documented depth (datto-rmm-api.md section 8.1). A row ends the walk only if it
//! was known when the last complete pass began, and two pages in a row hold only such rows.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Millis;
use crate::collect::alerts::closed::Closed;
use crate::collect::alerts::look::Rules;
use crate::collect::alerts::page::{PageSeen, Shown, take};
use crate::collect::source::{PassError, Source};
use crate::collect::walk::Walk;
use crate::collect::walk::rows::RowSet;
use crate::datto::lane::Lane;
use crate::datto::page::PageRequest;
use crate::journal::Seen;

const PATH: &str = "/v2/account/alerts/resolved";

/// Pages in a row that must hold only known rows.
const KNOWN_PAGES: u32 = 2;

/// A sweep to the end comes at least this often, unless it costs more than a tenth of the budget.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// What is remembered between passes. A new process knows nothing and therefore sweeps first.
#[derive(Debug, Default)]
pub struct Resolved {
    /// Number of the last pass, if that ended as it should.
    completed: Option<u64>,
    /// When the last sweep began, and its pages.
    swept: Option<(Instant, u64)>,
    order: Order,
}

/// The order of the list, as the last sweep showed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    /// Not known, or none: only a sweep finds what is new.
    #[default]
    Unknown,
    /// `resolvedOn` falls from row to row: what is new is at the front.
    NewestFirst,
}

/// What a walk over the resolved list saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvedWalk {
    /// Alerts of its last page that has any.
    pub last_page: Vec<String>,
    /// Whether rows moved between its pages.
    pub moved: bool,
    /// When the latest of the rows that were not known as resolved before was resolved.
    pub last_entry: Option<Millis>,
    /// Requests that it cost.
    pub requests: u64,
    /// Whether it read the list to its end, without a hole.
    pub is_sweep: bool,
}

impl Resolved {
    /// Walks from the front until everything further is known, or to the end if a sweep is due.
    pub async fn walk(&mut self, source: &Source, rules: Rules) -> Result<ResolvedWalk, PassError> {
        let pass = source.closed.begin();
        let began = Instant::now();
        let is_sweep = self.is_sweep_due(source);
        let last_completed = self.completed.take();
        let mut walk = ResolvedWalk::default();
        let mut rows = Rows::default();
        let mut known_pages = 0;
        let mut list = Walk::new(PageRequest::list(PATH, "alerts"));
        while let Some(answer) = list.page(&source.client, Lane::Alerts).await? {
            let (path, received_at) = (PATH.to_owned(), answer.received_at);
            let shown = Shown { path, seen: Seen::Resolved, received_at, items: answer.items };
            let page = take(source, rules, shown).await?;
            let all_known = last_completed.is_some_and(|completed| all_known(&page, &source.closed, completed));
            known_pages = if all_known { known_pages + 1 } else { 0 };
            walk.moved |= rows.add(&page);
            walk.last_entry = walk.last_entry.max(page.last_entry);
            if !page.uids.is_empty() {
                walk.last_page = page.uids;
            }
            if !is_sweep && known_pages >= KNOWN_PAGES {
                break;
            }
        }
        walk.requests = list.requests;
        walk.moved |= list.has_hole || list.is_looped;
        walk.is_sweep = is_sweep && !list.has_hole && !list.is_looped;
        if is_sweep {
            self.swept = Some((began, walk.requests));
            self.order = if rows.falls { Order::NewestFirst } else { Order::Unknown };
        }
        self.completed = Some(pass);
        source.closed.complete(pass);
        Ok(walk)
    }

    /// After a start, after an interrupted pass, and now and then; always, while the order says that news hides anywhere.
    fn is_sweep_due(&self, source: &Source) -> bool {
        let Some((began, pages)) = self.swept else { return true };
        let interval = sweep_interval(pages, source.client.rate().ceiling, self.order);
        self.completed.is_none() || began.elapsed() >= interval
    }
}

/// Whether every row was known, by whatever way, when the pass `completed` began.
fn all_known(page: &PageSeen, closed: &Closed, completed: u64) -> bool {
    let mut rows = page.uids.iter().zip(&page.was_resolved);
    rows.all(|(uid, was_resolved)| *was_resolved && closed.was_known(uid, completed))
}

/// How long after a sweep of `pages` the next one is due: at most a tenth of `ceiling` requests a minute go into sweeps.
/// Where the front of the list need not hold what is new, sweeps come as often as that allows.
fn sweep_interval(pages: u64, ceiling: u32, order: Order) -> Duration {
    let affordable = Duration::from_secs(pages.saturating_mul(600) / u64::from(ceiling.max(1)));
    match order {
        Order::NewestFirst => SWEEP_EVERY.max(affordable),
        Order::Unknown => affordable,
    }
}

/// The rows of one walk.
#[derive(Debug)]
struct Rows {
    seen: RowSet,
    last: Option<Millis>,
    falls: bool,
}

impl Default for Rows {
    fn default() -> Self {
        Self { seen: RowSet::default(), last: None, falls: true }
    }
}

impl Rows {
    /// Adds a page; true if one of its rows was on an earlier page.
    fn add(&mut self, page: &PageSeen) -> bool {
        let mut moved = false;
        for (uid, on) in page.uids.iter().zip(&page.resolved_on) {
            moved |= !self.seen.insert(uid);
            if let Some(on) = on {
                self.falls &= self.last.is_none_or(|last| *on <= last);
                self.last = Some(*on);
            }
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_cost_at_most_a_tenth_of_the_budget() {
        assert_eq!(sweep_interval(6, 480, Order::NewestFirst), SWEEP_EVERY);
        assert_eq!(sweep_interval(4_800, 480, Order::NewestFirst), Duration::from_secs(6_000));
        assert_eq!(sweep_interval(40, 480, Order::Unknown), Duration::from_secs(50));
        assert_eq!(sweep_interval(1, 0, Order::NewestFirst), SWEEP_EVERY);
    }

    fn page(rows: &[(&str, i64)]) -> PageSeen {
        PageSeen {
            uids: rows.iter().map(|(uid, _)| (*uid).to_owned()).collect(),
            resolved_on: rows.iter().map(|(_, on)| Some(Millis(*on))).collect(),
            ..PageSeen::default()
        }
    }

    #[test]
    fn the_order_is_learned_and_repeats_are_seen() {
        let mut rows = Rows::default();
        assert!(!rows.add(&page(&[("a", 9), ("b", 9)])));
        assert!(rows.falls);
        assert!(rows.add(&page(&[("b", 9), ("c", 10)])));
        assert!(!rows.falls);
    }
}
