//! What a deliverer works on: a bounded batch and, from the same read transaction, everything that decides where it goes.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;

use crate::inventory::Device;
use crate::journal::batches::{self, Batch};
use crate::journal::fail::{Done, Fail};
use crate::journal::inventory::find_device;
use crate::journal::partitions::{self, Stored};
use crate::journal::policy;
use crate::journal::replay;
use crate::journal::sinks;
use crate::journal::sqlite::Journal;
use crate::journal::tx::View;
use crate::journal::{Attempt, BatchLimit, Item, JournalError, Lane, Partition, Place};
use crate::record::place::DeviceRef;
use crate::record::{AccountUid, Record};

impl Journal {
    /// The next batch behind a sink's position, with the directory of the same moment (model rule `one-read`); `None` if there is
    /// nothing, or the next record's site waits for the list of another account. [`JournalError::Conflict`] if the sink is not configured.
    pub async fn read(
        &self,
        sink: &str,
        partition: &Partition,
        limit: BatchLimit,
    ) -> Result<Option<Attempt>, JournalError> {
        let (sink, partition) = (sink.to_owned(), partition.clone());
        self.look(move |view| read(view, &sink, partition, None, limit)).await
    }

    /// The batch behind `after`, to which the sink's position may still have to come: [`Journal::is_current`] tells whether it may
    /// be delivered.
    pub async fn read_behind(
        &self,
        sink: &str,
        partition: &Partition,
        after: u64,
        limit: BatchLimit,
    ) -> Result<Option<Attempt>, JournalError> {
        let (sink, partition) = (sink.to_owned(), partition.clone());
        self.look(move |view| read(view, &sink, partition, Some(after), limit)).await
    }

    /// Whether the sink's position is where `attempt` starts, and the mapping in force is the one that it was read with.
    pub async fn is_current(&self, sink: &str, attempt: &Attempt) -> Result<bool, JournalError> {
        let (sink, partition) = (sink.to_owned(), attempt.partition.clone());
        let (from, version) = (attempt.from, attempt.directory.version);
        self.look(move |view| {
            let sink = sinks::present(view.connection, &sink)?;
            let Some(stored) = partitions::find(view.connection, &partition, &sink.name)? else { return Ok(false) };
            let position = sinks::position(view.connection, &sink, stored.id)?;
            Ok(position == from && policy::version(view.connection)? == version)
        })
        .await
    }
}

fn read(
    view: &View<'_>,
    sink: &str,
    partition: Partition,
    after: Option<u64>,
    limit: BatchLimit,
) -> Done<Option<Attempt>> {
    let connection = view.connection;
    let sink = sinks::present(connection, sink)?;
    let Some(stored) = partitions::find(connection, &partition, &sink.name)? else { return Ok(None) };
    let from = match after {
        Some(after) => after,
        None => sinks::position(connection, &sink, stored.id)?,
    };
    let mut gather = Gather { limit, bytes: 0, items: Vec::new() };
    match partition.lane {
        Lane::Live | Lane::Backfill => gather.records(connection, stored, &partition, from)?,
        Lane::Replayed => gather.references(connection, stored, from)?,
    }
    let (mut items, directory) = (gather.items, view.directory()?);
    // What is not decided yet is neither sent nor given up: the sink waits for the decision, and so does what comes behind.
    let waits =
        |Item { record: Record { envelope, .. }, .. }: &Item| directory.waits(&envelope.account, &envelope.site);
    items.truncate(items.iter().position(waits).unwrap_or(items.len()));
    let Some(to) = items.last().map(|item| item.seq) else { return Ok(None) };
    let devices = devices(connection, &items)?;
    Ok(Some(Attempt { partition, from, to, items, directory, devices }))
}

struct Gather {
    limit: BatchLimit,
    bytes: usize,
    items: Vec<Item>,
}

impl Gather {
    fn records(&mut self, connection: &Connection, stored: Stored, partition: &Partition, from: u64) -> Done<()> {
        let mut next = from.saturating_add(1);
        while let Some(batch) = batches::list(connection, stored.id, next, 1)?.into_iter().next() {
            for (seq, record) in (batch.first..).zip(batches::read(connection, &batch)?) {
                let place = Place { partition: partition.clone(), seq };
                if seq > from && !self.take(Item { seq, place, replay: 0, record }) {
                    return Ok(());
                }
            }
            next = batch.last().saturating_add(1);
        }
        Ok(())
    }

    fn references(&mut self, connection: &Connection, stored: Stored, from: u64) -> Done<()> {
        let mut read: Option<(Batch, Vec<Record>)> = None;
        for reference in replay::pending(connection, stored.id, from, self.limit.records.max(1))? {
            let partition = partitions::named(connection, reference.place)?;
            let batch = batches::of(connection, reference.place, reference.place_seq)?.ok_or_else(|| {
                Fail::damaged(format!("{partition}, record {}: a replay names it, but it is gone", reference.place_seq))
            })?;
            if read.as_ref().is_none_or(|(held, _)| *held != batch) {
                read = Some((batch, batches::read(connection, &batch)?));
            }
            let records = read.as_ref().map(|(_, records)| records.as_slice()).unwrap_or_default();
            let skipped = usize::try_from(reference.place_seq.saturating_sub(batch.first)).unwrap_or(usize::MAX);
            let count = usize::try_from(reference.count).unwrap_or(usize::MAX);
            let places = reference.place_seq..;
            for ((seq, place_seq), record) in
                (reference.first..).zip(places).zip(records.iter().skip(skipped).take(count))
            {
                let place = Place { partition: partition.clone(), seq: place_seq };
                let item = Item { seq, place, replay: reference.replay, record: record.clone() };
                if seq > from && !self.take(item) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Takes an item unless that would pass a bound; the first one always. `false`: the batch is complete.
    fn take(&mut self, item: Item) -> bool {
        let bytes = self.bytes.saturating_add(item.record.source.get().len());
        if !self.items.is_empty() && (self.items.len() >= self.limit.records || bytes > self.limit.bytes) {
            return false;
        }
        self.bytes = bytes;
        self.items.push(item);
        true
    }
}

/// The inventory's entry of every device that the items name.
pub(super) fn devices(connection: &Connection, items: &[Item]) -> Done<HashMap<(AccountUid, DeviceRef), Arc<Device>>> {
    let mut devices = HashMap::new();
    let mut asked = std::collections::HashSet::new();
    for Item { record: Record { envelope, .. }, .. } in items {
        let name = (envelope.account.clone(), envelope.device.clone());
        if !asked.insert(name.clone()) {
            continue;
        }
        if let Some(device) = find_device(connection, &name.0, &name.1)? {
            devices.insert(name, Arc::new(device));
        }
    }
    Ok(devices)
}
