//! Moving a position over a finished prefix, with its counts and its dead letters.

use uuid::Uuid;

use crate::journal::coverage;
use crate::journal::dead;
use crate::journal::fail::{Done, Fail};
use crate::journal::holes;
use crate::journal::intent;
use crate::journal::partitions;
use crate::journal::replay;
use crate::journal::sinks::{self, Sink};
use crate::journal::sqlite::Journal;
use crate::journal::tx::Tx;
use crate::journal::{JournalError, Lane, Settlement};

impl Journal {
    /// Moves a sink's position, stores the counts and the dead letters of what it passes, in one transaction (model rule
    /// `dead-with-position`). [`JournalError::Conflict`] if the position is not where the attempt started.
    pub async fn settle(&self, settlement: Settlement) -> Result<(), JournalError> {
        self.write(move |tx| {
            let sink = sinks::present(tx.connection, &settlement.sink)?;
            settle(tx, &sink, &settlement, None)
        })
        .await
    }
}

/// See [`Journal::settle`]; `id` is of the Kafka batch that did it.
pub(super) fn settle(tx: &Tx<'_>, sink: &Sink, settlement: &Settlement, id: Option<Uuid>) -> Done<()> {
    let stored = partitions::find(tx.connection, &settlement.partition, &sink.name)?.ok_or(Fail::Conflict)?;
    let position = sinks::position(tx.connection, sink, stored.id)?;
    if position != settlement.from || settlement.to <= position || settlement.to > stored.head {
        return Err(Fail::Conflict);
    }
    for refused in &settlement.dead {
        dead::refuse(tx, sink, refused)?;
    }
    holes::pass(tx, sink, stored.id, position, settlement.to)?;
    if settlement.partition.lane == Lane::Replayed {
        replay::passed(tx, stored.id, settlement.to)?;
    }
    // What Kafka was once to commit says nothing of a position that moves without it.
    if id.is_none() && intent::load(tx, sink.id)?.is_some_and(|intent| intent.partition == settlement.partition) {
        intent::discard(tx, sink)?;
    }
    coverage::delivered(tx, sink, stored.id, settlement)?;
    sinks::move_to(tx, sink, stored.id, settlement.to, id)
}
