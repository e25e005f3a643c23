//! What a changed mapping would do to what the journal holds: a draft, applied by a reload.

use std::collections::{BTreeMap, HashMap};

use crate::app::AppError;
use crate::config::settings::Config;
use crate::journal::sqlite::Journal;
use crate::journal::{Backlog, Lane};
use crate::org::changes::{NearMiss, SiteMove, Standing, moves, near_misses};
use crate::org::directory::Directory;
use crate::record::AccountUid;
use crate::record::place::SiteRef;

/// Records read at once while undelivered ones are counted.
const AT_ONCE: usize = 1_000;

/// What would happen.
#[derive(Debug)]
pub struct Plan {
    /// Sites that would go elsewhere.
    pub moves: Vec<PlannedMove>,
    /// Sites without an organization under the new mapping, and organizations of nearly the same name.
    pub near_misses: Vec<NearMiss>,
    /// Sites that would have no organization.
    pub unmapped: u64,
}

/// A site that would go elsewhere, and the records that would go with it.
#[derive(Debug)]
pub struct PlannedMove {
    /// The site, from and to.
    pub site: SiteMove,
    /// Records held for it: released where it goes to an organization, dropped where it is not collected any more.
    pub held: u64,
    /// By sink: undelivered records of the site. They follow it to an organization; without one they become dead letters, or are
    /// skipped where it is not collected any more.
    pub undelivered: BTreeMap<String, u64>,
}

/// Compares the mapping in force with that of `config`.
pub async fn plan(journal: &Journal, config: &Config) -> Result<Plan, AppError> {
    let before = journal.directory().await?;
    let after = before.under(config.policy.clone());
    let held = journal.held().await?;
    let moves = moves(&before, &after);
    let mut places: HashMap<(AccountUid, String), usize> = HashMap::new();
    for (index, moved) in moves.iter().enumerate() {
        places.insert((moved.site.account.clone(), moved.site.uid.clone()), index);
    }
    let mut planned: Vec<PlannedMove> =
        moves.into_iter().map(|site| PlannedMove { site, held: 0, undelivered: BTreeMap::new() }).collect();
    let place = |account: &AccountUid, site: &SiteRef| {
        let uid = after.site(account, site)?.uid.clone();
        places.get(&(account.clone(), uid)).copied()
    };
    for entry in &held {
        if let Some(moved) = place(&entry.account, &entry.site).and_then(|index| planned.get_mut(index)) {
            moved.held = moved.held.saturating_add(entry.count);
        }
    }
    for sink in config.sinks.iter().filter(|_| !places.is_empty()) {
        for backlog in journal.backlog(&sink.name).await? {
            for (index, count) in undelivered(journal, &backlog, &place).await? {
                if let Some(moved) = planned.get_mut(index) {
                    let counted = moved.undelivered.entry(sink.name.clone()).or_default();
                    *counted = counted.saturating_add(count);
                }
            }
        }
    }
    Ok(Plan { moves: planned, near_misses: near_misses(&after), unmapped: unmapped(&after) })
}

/// How many records behind a position belong to each of the sites that `place` knows.
async fn undelivered(
    journal: &Journal,
    backlog: &Backlog,
    place: &impl Fn(&AccountUid, &SiteRef) -> Option<usize>,
) -> Result<HashMap<usize, u64>, AppError> {
    let mut counts: HashMap<usize, u64> = HashMap::new();
    // References of a replay name records that are counted where they lie, or were delivered.
    if backlog.partition.lane == Lane::Replayed || backlog.pending == 0 {
        return Ok(counts);
    }
    let mut from = backlog.position.saturating_add(1);
    loop {
        let records = journal.some_records(&backlog.partition, from, AT_ONCE).await?;
        let Some((last, ..)) = records.last() else { return Ok(counts) };
        from = last.saturating_add(1);
        for (_, _, record) in &records {
            if let Some(index) = place(&record.envelope.account, &record.envelope.site) {
                let count = counts.entry(index).or_default();
                *count = count.saturating_add(1);
            }
        }
    }
}

fn unmapped(directory: &Directory) -> u64 {
    let standings = directory.listing().into_iter().map(|row| Standing::of(&row.decision));
    standings.filter(|standing| matches!(standing, Standing::Held | Standing::Dropped)).map(|_| 1).sum()
}
