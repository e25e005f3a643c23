//! Looking at records: from a sequence on, or by the id of their event.

use crate::clock::Millis;
use crate::journal::batches;
use crate::journal::partitions::{self, lane_of};
use crate::journal::sqlite::Journal;
use crate::journal::tx::rows;
use crate::journal::{JournalError, Lane, Partition, Place};
use crate::record::{EventId, Record};

/// Batches that one read transaction goes through: a long one would keep the write-ahead log from being cut.
const AT_ONCE: usize = 64;
/// Bytes of records after which a bounded read takes no further batch.
pub(super) const MOST_BYTES: u64 = 4 << 20;

impl Journal {
    /// Records of a partition from `from_seq` on, at most `limit`, each with its sequence and when it was taken in.
    /// `Replayed` holds no records of its own.
    pub async fn records(
        &self,
        partition: &Partition,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Millis, Record)>, JournalError> {
        self.records_within(partition, from_seq, limit, u64::MAX).await
    }

    /// The same in bounded memory: fewer than `limit` where they are large. None only where none is left.
    pub async fn some_records(
        &self,
        partition: &Partition,
        from_seq: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Millis, Record)>, JournalError> {
        self.records_within(partition, from_seq, limit, MOST_BYTES).await
    }

    /// Reads batches until `limit` records or `most_bytes` of them are there; one batch at least.
    async fn records_within(
        &self,
        partition: &Partition,
        from_seq: u64,
        limit: usize,
        most_bytes: u64,
    ) -> Result<Vec<(u64, Millis, Record)>, JournalError> {
        let partition = partition.clone();
        self.look(move |view| {
            let (mut found, mut bytes) = (Vec::new(), 0_u64);
            let stored = match partition.lane {
                Lane::Live | Lane::Backfill => partitions::find(view.connection, &partition, "")?,
                Lane::Replayed => None,
            };
            let Some(stored) = stored else { return Ok(found) };
            let mut next = from_seq;
            while found.len() < limit
                && bytes < most_bytes
                && let Some(batch) = batches::list(view.connection, stored.id, next, 1)?.into_iter().next()
            {
                let records = (batch.first..).zip(batches::read(view.connection, &batch)?);
                let wanted = records.filter(|(seq, _)| *seq >= from_seq).take(limit.saturating_sub(found.len()));
                found.extend(wanted.map(|(seq, record)| (seq, batch.taken_at, record)));
                next = batch.last().saturating_add(1);
                bytes = bytes.saturating_add(batch.bytes);
            }
            Ok(found)
        })
        .await
    }

    /// The partitions that hold records, with their last sequence.
    pub async fn partitions(&self) -> Result<Vec<(Partition, u64)>, JournalError> {
        self.look(|view| {
            let sql = "SELECT a.uid, p.lane, p.head FROM partitions p JOIN accounts a ON a.id = p.account
                WHERE p.lane IN ('live', 'backfill') ORDER BY a.uid, p.id";
            let found = rows(view.connection, sql, [], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?))
            })?;
            let name = |(uid, lane, head): (String, String, u64)| {
                let account = crate::record::AccountUid::new(&uid);
                lane_of(&lane).map(|lane| (Partition { account, lane }, head))
            };
            Ok(found.into_iter().filter_map(name).collect())
        })
        .await
    }

    /// The record that becomes the event of that id, newest first; every batch may have to be read.
    pub async fn find(&self, event: EventId) -> Result<Option<(Place, Record)>, JournalError> {
        // Batches by the number of their blob, which grows with time.
        let mut below = i64::MAX;
        loop {
            let (found, next) = self
                .look(move |view| {
                    let sql = "SELECT partition, first_seq, count, taken_at, bytes, blob FROM batches
                        WHERE blob < ?1 ORDER BY blob DESC LIMIT ?2";
                    let some = rows(view.connection, sql, (below, AT_ONCE), |row| {
                        Ok((batches::batch(row)?, row.get::<_, i64>(5)?))
                    })?;
                    for (batch, _) in &some {
                        let mut records = (batch.first..).zip(batches::read(view.connection, batch)?);
                        if let Some((seq, record)) = records.find(|(_, record)| record.envelope.event_id() == event) {
                            let partition = partitions::named(view.connection, batch.partition)?;
                            return Ok((Some((Place { partition, seq }, record)), None));
                        }
                    }
                    Ok((None, some.last().map(|(_, blob)| *blob)))
                })
                .await?;
            match (found, next) {
                (Some(found), _) => return Ok(Some(found)),
                (None, Some(next)) => below = next,
                (None, None) => return Ok(None),
            }
        }
    }
}
