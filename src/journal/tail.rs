//! Following the journal from outside: what was taken in since, of all accounts and lanes in the order of its arrival, and the
//! way back from its end. Each step is one short read transaction; between two steps nothing is held open, so that the
//! write-ahead log can be cut.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use rusqlite::Connection;

use crate::clock::Millis;
use crate::journal::attempt;
use crate::journal::batches::{self, Batch};
use crate::journal::fail::Done;
use crate::journal::held;
use crate::journal::partitions::HELD;
use crate::journal::sqlite::Journal;
use crate::journal::tx::{View, first, rows};
use crate::journal::{Attempt, Item, JournalError, Lane, Partition, Place};
use crate::org::directory::Directory;
use crate::record::{AccountUid, Record};

/// Batches, and held records, that one step reads at most.
const AT_ONCE: usize = 64;
/// Bytes of records that one step reads at most, its first batch apart.
const MOST_BYTES: u64 = 4 << 20;

/// Where records lie that somebody may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shelf {
    /// A lane that sinks read: `Live` or `Backfill`. References of `Replayed` are no new records.
    Lane(Lane),
    /// Records of unknown organization.
    Held,
}

/// A shelf of an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The account.
    pub account: AccountUid,
    /// Which of its shelves.
    pub shelf: Shelf,
}

/// How far each source was read: its last sequence that is behind the reader. Of a source that is not named, nothing was.
pub type Marks = BTreeMap<Source, u64>;

/// Whether held records are followed too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldToo {
    /// They are.
    Yes,
    /// Only what sinks read.
    No,
}

/// Which way a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To what lies behind the marks.
    Onwards,
    /// To what lies before them.
    Back,
}

/// What one step found. Going back, the newest portion comes first; the records of a portion are always in their order.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// The records.
    pub portions: Vec<Portion>,
    /// The marks after the step.
    pub marks: Marks,
    /// Records that went (were trimmed) before they were read; going back, none.
    pub missed: u64,
    /// Nothing more lies that way.
    pub is_end: bool,
}

/// Records that lie together.
#[derive(Clone, Debug)]
pub enum Portion {
    /// Of a lane, with everything that decides where they go, as a deliverer gets them.
    Lane(Attempt),
    /// One held record.
    Held(Box<HeldRecord>),
}

/// A record of unknown organization.
#[derive(Clone, Debug)]
pub struct HeldRecord {
    /// Its sequence among what the account holds.
    pub seq: u64,
    /// The record.
    pub record: Record,
    /// Policy, accounts and sites of the same moment.
    pub directory: Arc<Directory>,
}

/// A source as it is stored.
struct Stored {
    source: Source,
    partition: i64,
    account: i64,
    head: u64,
}

/// A batch, or a held record, that was not read yet.
struct Piece {
    first: u64,
    last: u64,
    taken_at: Millis,
    bytes: u64,
    batch: Option<Batch>,
}

/// What lies ahead in a source: as many pieces as one step could read.
struct Ahead {
    stored: Stored,
    pieces: VecDeque<Piece>,
    /// Whether more lies behind the pieces.
    is_cut: bool,
}

impl Journal {
    /// The marks of a reader for whom nothing is new.
    pub async fn ends(&self, held: HeldToo) -> Result<Marks, JournalError> {
        self.look(move |view| {
            let all = sources(view.connection, held)?;
            Ok(all.into_iter().map(|stored| (stored.source, stored.head)).collect())
        })
        .await
    }

    /// The marks of a reader for whom everything is new that was taken in at `since` or later.
    pub async fn marks_since(&self, since: Millis, held: HeldToo) -> Result<Marks, JournalError> {
        self.look(move |view| {
            let mut marks = Marks::new();
            for stored in sources(view.connection, held)? {
                let (sql, id) = match stored.source.shelf {
                    Shelf::Lane(_) => {
                        ("SELECT MIN(first_seq) FROM batches WHERE partition = ?1 AND taken_at >= ?2", stored.partition)
                    }
                    Shelf::Held => ("SELECT MIN(seq) FROM held WHERE account = ?1 AND taken_at >= ?2", stored.account),
                };
                let oldest: Option<u64> = first(view.connection, sql, (id, since.0), |row| row.get(0))?.flatten();
                marks.insert(stored.source, oldest.map_or(stored.head, |seq| seq.saturating_sub(1)));
            }
            Ok(marks)
        })
        .await
    }

    /// One step from `marks`.
    pub async fn stretch(&self, marks: Marks, way: Way, held: HeldToo) -> Result<Stretch, JournalError> {
        self.look(move |view| stretch(view, marks, way, held)).await
    }
}

fn stretch(view: &View<'_>, mut marks: Marks, way: Way, held: HeldToo) -> Done<Stretch> {
    let mut ahead = Vec::new();
    for stored in sources(view.connection, held)? {
        let mark = marks.get(&stored.source).copied().unwrap_or(0);
        ahead.push(look_ahead(view.connection, stored, mark, way)?);
    }
    let chosen = choose(&mut ahead, way);
    let mut portions = Vec::with_capacity(chosen.len());
    let mut missed: u64 = 0;
    for (index, piece) in chosen {
        let Some(Ahead { stored, .. }) = ahead.get(index) else { continue };
        let mark = marks.get(&stored.source).copied().unwrap_or(0);
        if way == Way::Onwards && stored.source.shelf != Shelf::Held {
            missed = missed.saturating_add(piece.first.saturating_sub(mark.saturating_add(1)));
        }
        let after = if way == Way::Onwards { piece.last } else { piece.first.saturating_sub(1) };
        let from = if way == Way::Onwards { mark } else { 0 };
        portions.push(portion(view, stored, &piece, from)?);
        marks.insert(stored.source.clone(), after);
    }
    let is_end = ahead.iter().all(|ahead| ahead.pieces.is_empty() && !ahead.is_cut);
    if way == Way::Onwards {
        for Ahead { stored, .. } in ahead.iter().filter(|ahead| ahead.pieces.is_empty() && !ahead.is_cut) {
            let mark = marks.entry(stored.source.clone()).or_insert(0);
            if stored.source.shelf != Shelf::Held {
                missed = missed.saturating_add(stored.head.saturating_sub(*mark));
            }
            *mark = stored.head.max(*mark);
        }
    }
    Ok(Stretch { portions, marks, missed, is_end })
}

/// The sources of a journal, in a fixed order.
fn sources(connection: &Connection, held: HeldToo) -> Done<Vec<Stored>> {
    let sql = "SELECT p.id, a.id, a.uid, p.lane, p.head FROM partitions p JOIN accounts a ON a.id = p.account
        WHERE p.lane IN ('live', 'backfill', 'held') ORDER BY p.id";
    let found = rows(connection, sql, [], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get::<_, String>(3)?, row.get(4)?))
    })?;
    let stored = |(partition, account, uid, lane, head): (i64, i64, String, String, u64)| {
        let shelf = match lane.as_str() {
            "live" => Shelf::Lane(Lane::Live),
            "backfill" => Shelf::Lane(Lane::Backfill),
            HELD if held == HeldToo::Yes => Shelf::Held,
            _ => return None,
        };
        Some(Stored { source: Source { account: AccountUid::new(&uid), shelf }, partition, account, head })
    };
    Ok(found.into_iter().filter_map(stored).collect())
}

fn look_ahead(connection: &Connection, stored: Stored, mark: u64, way: Way) -> Done<Ahead> {
    // Most looks find nothing new, which the head alone says.
    if way == Way::Onwards && stored.head <= mark {
        return Ok(Ahead { stored, pieces: VecDeque::new(), is_cut: false });
    }
    let pieces: Vec<Piece> = match (stored.source.shelf, way) {
        (Shelf::Lane(_), Way::Onwards) => batches::list(connection, stored.partition, mark.saturating_add(1), AT_ONCE)?
            .into_iter()
            .map(piece)
            .collect(),
        (Shelf::Lane(_), Way::Back) => {
            batches::list_back(connection, stored.partition, mark, AT_ONCE)?.into_iter().map(piece).collect()
        }
        (Shelf::Held, way) => held_pieces(connection, stored.account, mark, way)?,
    };
    let is_cut = pieces.len() >= AT_ONCE;
    Ok(Ahead { stored, pieces: pieces.into(), is_cut })
}

fn piece(batch: Batch) -> Piece {
    Piece { first: batch.first, last: batch.last(), taken_at: batch.taken_at, bytes: batch.bytes, batch: Some(batch) }
}

fn held_pieces(connection: &Connection, account: i64, mark: u64, way: Way) -> Done<Vec<Piece>> {
    let sql = match way {
        Way::Onwards => {
            "SELECT seq, taken_at, LENGTH(record) FROM held WHERE account = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
        }
        Way::Back => {
            "SELECT seq, taken_at, LENGTH(record) FROM held WHERE account = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT ?3"
        }
    };
    rows(connection, sql, (account, mark, AT_ONCE), |row| {
        let seq = row.get(0)?;
        Ok(Piece { first: seq, last: seq, taken_at: Millis(row.get(1)?), bytes: row.get(2)?, batch: None })
    })
}

/// Takes pieces from the sources in the order of their arrival, as many as one step may read. Each source keeps its own order
/// even if the clock was set back meanwhile.
fn choose(ahead: &mut [Ahead], way: Way) -> Vec<(usize, Piece)> {
    let mut chosen: Vec<(usize, Piece)> = Vec::new();
    let mut bytes: u64 = 0;
    // A source that was cut has as many pieces as a step takes: none is used up while its next could be the next of all.
    while chosen.len() < AT_ONCE {
        let fronts = ahead.iter().enumerate();
        let fronts = fronts.filter_map(|(index, ahead)| Some(((ahead.pieces.front()?.taken_at, index), index)));
        let next = match way {
            Way::Onwards => fronts.min_by_key(|(order, _)| *order),
            Way::Back => fronts.max_by_key(|(order, _)| *order),
        };
        let Some((index, ahead)) = next.and_then(|(_, index)| Some((index, ahead.get_mut(index)?))) else { break };
        let size = ahead.pieces.front().map_or(0, |piece| piece.bytes);
        if !chosen.is_empty() && bytes.saturating_add(size) > MOST_BYTES {
            break;
        }
        bytes = bytes.saturating_add(size);
        chosen.extend(ahead.pieces.pop_front().map(|piece| (index, piece)));
    }
    chosen
}

/// Reads a piece; of a batch only what lies behind `from`.
fn portion(view: &View<'_>, stored: &Stored, piece: &Piece, from: u64) -> Done<Portion> {
    let directory = view.directory()?;
    let (Shelf::Lane(lane), Some(batch)) = (stored.source.shelf, &piece.batch) else {
        let record = held::load(view.connection, stored.account, piece.first)?;
        return Ok(Portion::Held(Box::new(HeldRecord { seq: piece.first, record, directory })));
    };
    let partition = Partition { account: stored.source.account.clone(), lane };
    let records = (batch.first..).zip(batches::read(view.connection, batch)?);
    let item = |(seq, record)| Item { seq, place: Place { partition: partition.clone(), seq }, replay: 0, record };
    let items: Vec<Item> = records.filter(|(seq, _)| *seq > from).map(item).collect();
    let devices = attempt::devices(view.connection, &items)?;
    Ok(Portion::Lane(Attempt { partition, from, to: batch.last(), items, directory, devices }))
}
