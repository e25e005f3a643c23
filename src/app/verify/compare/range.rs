//! What is to say of one range of a partition of the journal, of which a sink got so many records.

use uuid::Uuid;

use super::remains::Fate;
use super::store::Counts;
use super::{MOST_NAMED, Report};
use crate::journal::coverage::Delivered;

/// A range, counted.
pub(super) struct Range<'a> {
    range: &'a Delivered,
    retained: u64,
    /// Found, as far as this sink wrote them.
    found: u64,
    /// It is known which were sent: those that are wanted.
    pub(super) is_certain: bool,
    /// Retained and not found: all, or the wanted if it is certain.
    missing: u64,
    /// Of these, wanted.
    missing_wanted: u64,
    /// Of the missing, at least so many were sent.
    pub(super) absent: u64,
    /// Found, and another sink wrote them.
    stray: u64,
    /// So many more may be missing, in whose place others were found that the route does not name now.
    doubtful: u64,
}

/// Missing records by what became of them.
#[derive(Default)]
pub(super) struct Fates {
    lost: u64,
    /// The first of the lost.
    named: Vec<Uuid>,
    expired: u64,
    unclear: u64,
}

impl<'a> Range<'a> {
    /// Judges the counts. `version`: of the mapping by which entries are wanted.
    ///
    /// What is found and not wanted was written by another sink, or went to this one when the mapping was another. If the counts of the
    /// range are those of the wanted, under the same mapping, it is another sink's, and stands for none that is missing.
    pub(super) fn new(range: &'a Delivered, counts: Counts, version: u64) -> Self {
        let Counts { retained, wanted, found, stray } = counts;
        let all_found = found.saturating_add(stray);
        let missing = retained.saturating_sub(all_found);
        let missing_wanted = wanted.saturating_sub(found);
        let all = Self {
            range,
            retained,
            found: all_found,
            is_certain: false,
            absent: missing.saturating_sub(excused(range)),
            missing,
            missing_wanted,
            stray: 0,
            doubtful: 0,
        };
        let counts = range.sent..=range.sent.saturating_add(range.dead);
        let is_whole = retained == range.sent.saturating_add(excused(range));
        if stray == 0 || !is_whole || !counts.contains(&wanted) {
            return all;
        }
        let absent = range.sent.saturating_sub(found);
        // The route is not part of the version: where all that was sent is there and not wanted, it may be another route by now.
        if range.version == version && (found > 0 || stray != range.sent) {
            return Self { found, is_certain: true, missing: missing_wanted, absent, stray, ..all };
        }
        Self { doubtful: absent.saturating_sub(all.absent), ..all }
    }

    /// Whether more or fewer of the missing look as if they had been sent than were.
    pub(super) fn is_ambiguous(&self) -> bool {
        !self.is_certain && excused(self.range) > 0 && self.missing_wanted != self.absent
    }

    /// Whether any missing record may have been sent, or only those that the route takes, unless these are fewer than were sent.
    pub(super) fn takes_all(&self) -> bool {
        !self.is_certain && (excused(self.range) == 0 || self.missing_wanted < self.absent)
    }

    /// Adds what is to say. `fates`: of those that may have been sent.
    pub(super) fn judge(&self, fates: Fates, report: &mut Report) {
        let (range, excused, missing) = (self.range, excused(self.range), self.missing);
        let trimmed = range.sent.saturating_add(excused).saturating_sub(self.retained);
        report.skipped = report.skipped.saturating_add(range.skipped);
        report.dead = report.dead.saturating_add(range.dead);
        report.found = report.found.saturating_add(self.found);
        report.stray = report.stray.saturating_add(self.stray);
        // Of a range that is trimmed in part, what was not sent may be retained or not.
        let unclear = if trimmed == 0 { 0 } else { missing.min(excused) };
        let known = if trimmed == 0 { range.sent } else { self.found.saturating_add(self.absent) };
        report.sent = report.sent.saturating_add(known);
        report.trimmed = report.trimmed.saturating_add(range.sent.saturating_sub(known));
        // So many of each at least, whichever of those that may have been sent were sent.
        let (kept, gone) = (fates.lost, fates.expired);
        let lost = self.absent.saturating_sub(gone.saturating_add(fates.unclear));
        let expired = self.absent.saturating_sub(kept.saturating_add(fates.unclear));
        let unclear = unclear.saturating_add(self.absent.saturating_sub(lost).saturating_sub(expired));
        let unclear = unclear.saturating_add(self.doubtful);
        report.lost = report.lost.saturating_add(lost);
        report.expired = report.expired.saturating_add(expired);
        report.unclear = report.unclear.saturating_add(unclear);
        if lost == kept {
            let room = MOST_NAMED.saturating_sub(report.lost_ids.len());
            report.lost_ids.extend(fates.named.into_iter().take(room));
        }
    }
}

impl Fates {
    /// Counts a record.
    pub(super) fn add(&mut self, id: Uuid, fate: Fate) {
        match fate {
            Fate::Lost => {
                self.lost = self.lost.saturating_add(1);
                if self.named.len() < MOST_NAMED {
                    self.named.push(id);
                }
            }
            Fate::Expired => self.expired = self.expired.saturating_add(1),
            Fate::Unclear => self.unclear = self.unclear.saturating_add(1),
        }
    }
}

/// Records of the range that were not sent.
fn excused(range: &Delivered) -> u64 {
    range.skipped.saturating_add(range.dead)
}
