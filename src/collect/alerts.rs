//! Alerts: a life cycle made of two moving lists (architecture.md section 4).
//!
//! A pass walks the open list, then the resolved list from its front, then looks up what left the first and is not in the
//! second. Pass numbers live in memory: an unchanged alert writes nothing.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::clock::Millis;
use crate::collect::alerts::look::Rules;
use crate::collect::alerts::resolved::Resolved;
use crate::collect::alerts::vanished::LookUps;
use crate::collect::source::{PassError, SharedSource};
use crate::journal::AlertState;

pub mod closed;
pub mod fields;
pub mod look;
pub mod open;
pub mod page;
pub mod resolved;
pub mod vanished;

/// How long before a walk an alert may say it was resolved, though the lists show it only during the walk. Every row that leaves hides
/// another; one that comes only shifts the others to where they are seen again, so its time is taken as it is.
const LAG: Duration = Duration::from_secs(10);

/// The alerts of one account.
#[derive(Debug)]
pub struct AlertStream {
    source: SharedSource,
    rules: Rules,
    resolved: Resolved,
    look_ups: LookUps,
    /// Set while the first start has not told yet how much it left out.
    reports_cut: bool,
}

/// What a pass found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassReport {
    /// Requests that it cost.
    pub requests: u64,
    /// Whether the lists moved while they were read: another pass soon finds what slipped through.
    pub moved: bool,
    /// Whether look-ups are left for later.
    pub unfinished: bool,
}

/// How much of the look-ups a pass does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thoroughness {
    /// A bounded number: the next pass must not be late.
    Bounded,
    /// All (`run --once`).
    Whole,
}

impl AlertStream {
    /// A stream that has no pass behind it: the first resolved pass sweeps to the end.
    pub fn new(source: SharedSource, rules: Rules, is_first_start: bool) -> Self {
        Self { source, rules, resolved: Resolved::default(), look_ups: LookUps::default(), reports_cut: is_first_start }
    }

    /// One pass over both lists.
    pub async fn pass(&mut self, thoroughness: Thoroughness) -> Result<PassReport, PassError> {
        let began = self.source.api_now();
        let open = open::walk(&self.source, self.rules, began).await?;
        let missing = self.missing(&open).await?;
        let resolved = self.resolved.walk(&self.source, self.rules).await?;
        // Days of a clock that may be wrong prove nothing.
        if open.is_complete && resolved.is_sweep && !self.source.client.clocks().refuses() {
            self.source.journal.note_sweep(&self.source.account.uid).await?;
        }
        let unexplained = self.still_open(missing).await?;
        let known = if open.last_page.is_empty() { resolved.last_page } else { open.last_page };
        let looked = self.look_ups.run(&self.source, self.rules, unexplained, known, thoroughness).await?;
        // Every row that left the open list while it was read pulled the rows behind it one place up. When one left that had
        // to be looked up is not known, and one that a look-up finds open may just have been passed over.
        let has_left = looked.requests > 0 || resolved.last_entry.is_some_and(|at| at >= began.minus(LAG));
        if std::mem::take(&mut self.reports_cut) {
            self.report_cut().await?;
        }
        Ok(PassReport {
            requests: open.requests + resolved.requests + looked.requests,
            moved: open.moved || resolved.moved || (open.requests > 1 && has_left),
            unfinished: looked.left > 0,
        })
    }

    /// Alerts that the journal holds for open and a whole pass did not show. Absence proves nothing yet.
    async fn missing(&self, open: &open::OpenWalk) -> Result<HashMap<String, AlertState>, PassError> {
        if !open.is_complete {
            return Ok(HashMap::new());
        }
        let known = self.source.journal.open_alerts(&self.source.account.uid).await?;
        Ok(known.into_iter().filter(|(uid, _)| !open.seen.contains(uid)).collect())
    }

    /// Those of `missing` that the resolved list did not explain.
    async fn still_open(&self, missing: HashMap<String, AlertState>) -> Result<HashSet<String>, PassError> {
        if missing.is_empty() {
            return Ok(HashSet::new());
        }
        let known = self.source.journal.open_alerts(&self.source.account.uid).await?;
        Ok(known.into_iter().map(|(uid, _)| uid).filter(|uid| missing.contains_key(uid)).collect())
    }

    async fn report_cut(&self) -> Result<(), PassError> {
        let known = self.source.journal.open_alerts(&self.source.account.uid).await?;
        let older = known.iter().filter(|(_, state)| state.told == crate::journal::Told::Noted).count();
        if older > 0 && self.rules.cut > Millis(i64::MIN) {
            tracing::info!(
                account = self.source.account.name, older, cut = %self.rules.cut,
                "open alerts older than the start were noted without an event, their changes will be told; \
                 `vintner fetch open-alerts` prints them all"
            );
        }
        Ok(())
    }
}
