//! What is to say of one range of a partition of the journal, of which a sink got so many records.

use uuid::Uuid;

use super::remains::{Address, Fate, Remains};
use super::{Entry, Found, MOST_NAMED, Report, count};
use crate::journal::coverage::Delivered;

/// A range, counted.
pub(super) struct Range<'a> {
    range: &'a Delivered,
    retained: u64,
    /// Found, as far as this sink wrote them.
    found: u64,
    /// It is known which were sent: those that are wanted.
    is_certain: bool,
    /// Retained and not found.
    pub(super) missing: Vec<(&'a Entry, &'a Found)>,
    /// Of the missing, at least so many were sent.
    pub(super) absent: u64,
    /// Found, and another sink wrote them.
    stray: u64,
    /// So many more may be missing, in whose place others were found that the route does not name now.
    doubtful: u64,
}

/// Missing records by what became of them.
#[derive(Default)]
struct Fates {
    lost: Vec<Uuid>,
    expired: u64,
    unclear: u64,
}

impl<'a> Range<'a> {
    /// Counts. `entries`: all that are retained, in order. `version`: of the mapping by which they are wanted.
    ///
    /// What is found and not wanted was written by another sink, or went to this one when the mapping was another. If the counts of the
    /// range are those of the wanted, under the same mapping, it is another sink's, and stands for none that is missing.
    pub(super) fn new(range: &'a Delivered, entries: &[(&'a Entry, &'a Found)], version: u64) -> Self {
        let entries = within(range, entries);
        let (wanted, others): (Vec<_>, Vec<_>) = entries.iter().copied().partition(|(entry, _)| entry.is_wanted);
        let (found, stray) = (found_of(&wanted), found_of(&others));
        let missing = missing_of(entries);
        let all = Self {
            range,
            retained: count(entries.len()),
            found: found.saturating_add(stray),
            is_certain: false,
            absent: count(missing.len()).saturating_sub(excused(range)),
            missing,
            stray: 0,
            doubtful: 0,
        };
        let counts = range.sent..=range.sent.saturating_add(range.dead);
        let is_whole = all.retained == range.sent.saturating_add(excused(range));
        if stray == 0 || !is_whole || !counts.contains(&count(wanted.len())) {
            return all;
        }
        let absent = range.sent.saturating_sub(found);
        // The route is not part of the version: where all that was sent is there and not wanted, it may be another route by now.
        if range.version == version && (found > 0 || stray != range.sent) {
            return Self { found, is_certain: true, missing: missing_of(&wanted), absent, stray, ..all };
        }
        Self { doubtful: absent.saturating_sub(all.absent), ..all }
    }

    /// Whether more or fewer of the missing look as if they had been sent than were.
    pub(super) fn is_ambiguous(&self) -> bool {
        let wanted = self.missing.iter().filter(|(entry, _)| entry.is_wanted).count();
        !self.is_certain && excused(self.range) > 0 && count(wanted) != self.absent
    }

    /// Adds what is to say.
    pub(super) fn judge(&self, remains: &Remains<'_>, report: &mut Report) {
        let (range, excused, missing) = (self.range, excused(self.range), count(self.missing.len()));
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
        let fates = self.fates(remains);
        let (kept, gone) = (count(fates.lost.len()), fates.expired);
        let lost = self.absent.saturating_sub(gone.saturating_add(fates.unclear));
        let expired = self.absent.saturating_sub(kept.saturating_add(fates.unclear));
        let unclear = unclear.saturating_add(self.absent.saturating_sub(lost).saturating_sub(expired));
        let unclear = unclear.saturating_add(self.doubtful);
        report.lost = report.lost.saturating_add(lost);
        report.expired = report.expired.saturating_add(expired);
        report.unclear = report.unclear.saturating_add(unclear);
        if lost == kept {
            let room = MOST_NAMED.saturating_sub(report.lost_ids.len());
            report.lost_ids.extend(fates.lost.into_iter().take(room));
        }
    }

    /// What became of those that may have been sent: of the missing that the route takes, unless these are fewer than were sent.
    fn fates(&self, remains: &Remains<'_>) -> Fates {
        let mut fates = Fates::default();
        if self.absent == 0 {
            return fates;
        }
        let wanted = count(self.missing.iter().filter(|(entry, _)| entry.is_wanted).count());
        let takes_all = !self.is_certain && (excused(self.range) == 0 || wanted < self.absent);
        for (entry, found) in self.missing.iter().filter(|(entry, _)| takes_all || entry.is_wanted) {
            match found.fate.unwrap_or_else(|| remains.fate(entry, &Address::default())) {
                Fate::Lost => fates.lost.push(entry.id),
                Fate::Expired => fates.expired = fates.expired.saturating_add(1),
                Fate::Unclear => fates.unclear = fates.unclear.saturating_add(1),
            }
        }
        fates
    }
}

/// The entries of a range.
fn within<'e, 'a>(range: &Delivered, entries: &'e [(&'a Entry, &'a Found)]) -> &'e [(&'a Entry, &'a Found)] {
    let place = |(entry, _): &(&'a Entry, &Found)| (&entry.partition, entry.seq);
    let begin = entries.partition_point(|entry| place(entry) < (&range.partition, range.from));
    let end = entries.partition_point(|entry| place(entry) <= (&range.partition, range.to));
    entries.get(begin..end).unwrap_or_default()
}

fn found_of(entries: &[(&Entry, &Found)]) -> u64 {
    count(entries.iter().filter(|(_, found)| found.times > 0).count())
}

fn missing_of<'a>(entries: &[(&'a Entry, &'a Found)]) -> Vec<(&'a Entry, &'a Found)> {
    entries.iter().filter(|(_, found)| found.times == 0).copied().collect()
}

/// Records of the range that were not sent.
fn excused(range: &Delivered) -> u64 {
    range.skipped.saturating_add(range.dead)
}
