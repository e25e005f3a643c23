//! Why the journal is full: what keeps its room, with numbers and with what to do about it.

use std::fmt;

use rusqlite::Connection;

use crate::clock::Millis;
use crate::diagnostic::words;
use crate::journal::JournalError;
use crate::journal::fail::Done;
use crate::journal::held::read_site;
use crate::journal::partitions;
use crate::journal::sinks;
use crate::journal::space::{self, Usage};
use crate::journal::sqlite::Journal;
use crate::journal::tx::{View, rows};

/// Sinks and sites that a text names.
const MOST_NAMED: usize = 3;

/// What keeps the room of a journal. As text: the causes, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Causes {
    /// The room by kind.
    pub usage: Usage,
    /// Sinks with records before them, the one with the most first.
    pub behind: Vec<Behind>,
    /// The sites that hold the most.
    pub sites: Vec<Holder>,
    /// How many sites hold records.
    pub holders: u64,
}

/// A sink that is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Its name.
    pub sink: String,
    /// Records that wait for it.
    pub pending: u64,
    /// When the oldest of them was taken in.
    pub oldest: Option<Millis>,
}

/// A site whose records are held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The account's configured name; its uid where no configured account is known.
    pub account: String,
    /// The site's name, or how the records name it.
    pub site: String,
    /// How many records.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Journal {
    /// What keeps the journal's room, in numbers that agree with each other.
    pub async fn causes(&self) -> Result<Causes, JournalError> {
        self.look(causes).await
    }
}

/// See [`Journal::causes`].
pub(super) fn causes(view: &View<'_>) -> Done<Causes> {
    let usage = space::usage(view.connection, view.ground)?;
    let (sites, holders) = holders(view)?;
    Ok(Causes { usage, behind: behind(view.connection)?, sites, holders })
}

fn behind(connection: &Connection) -> Done<Vec<Behind>> {
    let mut behind = Vec::new();
    for sink in rows(connection, "SELECT name FROM sinks WHERE present = 1", [], |row| row.get::<_, String>(0))? {
        let backlog = sinks::backlogs(connection, &sink)?;
        let pending = backlog.iter().map(|entry| entry.pending).fold(0, u64::saturating_add);
        if pending > 0 {
            behind.push(Behind { sink, pending, oldest: backlog.iter().filter_map(|entry| entry.oldest).min() });
        }
    }
    behind.sort_by_key(|sink| std::cmp::Reverse(sink.pending));
    Ok(behind)
}

fn holders(view: &View<'_>) -> Done<(Vec<Holder>, u64)> {
    let directory = view.directory()?;
    let sql = "SELECT account, site, records, bytes, COUNT(*) OVER () FROM held_sites ORDER BY bytes DESC, account, site LIMIT ?1";
    let found = rows(view.connection, sql, [MOST_NAMED], |row| {
        Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?, row.get::<_, u64>(4)?))
    })?;
    let count = found.first().map_or(0, |row| row.4);
    let holder = |(account, site, records, bytes, _): (i64, String, u64, u64, u64)| {
        let account = partitions::account_uid(view.connection, account)?;
        let site = read_site(&site)?;
        let name = directory.site(&account, &site).map_or_else(|| site.to_string(), |site| site.name.clone());
        let account = directory.account(&account).map_or_else(|| account.to_string(), |account| account.name.clone());
        Ok(Holder { account, site: name, records, bytes })
    };
    Ok((found.into_iter().map(holder).collect::<Done<_>>()?, count))
}

impl Causes {
    /// What to do, by the causes that matter.
    pub fn hint(&self) -> String {
        let mut hints: Vec<&str> = self.parts().into_iter().map(|part| part.hint).collect();
        hints.push("raise `journal.max_bytes`");
        hints.join("; or ")
    }

    /// The causes that take a tenth of the room or more, the largest first.
    fn parts(&self) -> Vec<Part> {
        let usage = &self.usage;
        let mut parts = vec![
            Part {
                bytes: usage.record_bytes,
                text: self.behind_text(),
                hint: "mend the sink that is behind, or take it out of the configuration",
            },
            Part { bytes: usage.held_bytes, text: self.held_text(), hint: "map the sites: `vintner orgs list`" },
            Part {
                bytes: usage.dead_bytes,
                text: format!(
                    "{} keep {}",
                    words::count(usage.dead_letters, "dead letter"),
                    words::bytes(usage.dead_bytes)
                ),
                hint: "replay or drop dead letters: `vintner dead-letters list`",
            },
            Part {
                bytes: usage.reference_bytes,
                text: format!("references of replays take {}", words::bytes(usage.reference_bytes)),
                hint: "wait for the replay",
            },
            Part {
                bytes: usage.wal_bytes,
                text: format!("the write-ahead log takes {}", words::bytes(usage.wal_bytes)),
                hint: "close other programs that read the journal",
            },
        ];
        parts.retain(|part| part.bytes > 0 && part.bytes >= usage.used / 10);
        parts.sort_by_key(|part| std::cmp::Reverse(part.bytes));
        parts
    }

    fn behind_text(&self) -> String {
        let bytes = words::bytes(self.usage.record_bytes);
        if self.behind.is_empty() {
            return format!("records that every sink has passed take {bytes}");
        }
        let one = |Behind { sink, pending, oldest }: &Behind| {
            let since =
                oldest.map(|oldest| format!(" (the oldest of {})", oldest.to_rfc3339_seconds())).unwrap_or_default();
            format!("sink {sink} is {pending} records behind{since}")
        };
        let named: Vec<String> = self.behind.iter().take(MOST_NAMED).map(one).collect();
        let others = self.behind.len().saturating_sub(named.len());
        let others = if others > 0 { format!(", {others} more sinks are behind") } else { String::new() };
        format!("{}{others}: {bytes} wait", named.join(", "))
    }

    fn held_text(&self) -> String {
        let Usage { held_records, held_bytes, .. } = self.usage;
        let one = |Holder { account, site, records, bytes }: &Holder| {
            format!("{site} of {account} {records} records, {}", words::bytes(*bytes))
        };
        let named: Vec<String> = self.sites.iter().map(one).collect();
        format!(
            "{} unmapped sites hold {held_records} records, {} ({})",
            self.holders,
            words::bytes(held_bytes),
            named.join("; ")
        )
    }
}

struct Part {
    bytes: u64,
    text: String,
    hint: &'static str,
}

impl fmt::Display for Causes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.parts().into_iter().map(|part| part.text).collect();
        f.write_str(&texts.join("; "))
    }
}
