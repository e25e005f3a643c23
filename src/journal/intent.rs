//! Exactly once into Kafka: the journal's half (architecture.md section 7).
//!
//! Before each Kafka transaction the journal stores what the position will pass, the *intent*, under a random id that goes into
//! Kafka's transaction too. What Kafka shows afterwards tells whether it committed: then the intent becomes the position.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::journal::fail::{Done, Fail};
use crate::journal::partitions;
use crate::journal::settle::settle;
use crate::journal::sinks::{self, Sink};
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, first};
use crate::journal::{JournalError, Partition, Refused, Settlement};

/// What a Kafka transaction is about to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The partition.
    pub partition: Partition,
    /// The position that the attempt started from.
    pub from: u64,
    /// The position once Kafka has committed.
    pub to: u64,
    /// A fresh random id; Kafka's entry carries it.
    pub id: Uuid,
    /// The version that decided: `version` of the attempt's directory.
    pub version: u64,
    /// Records in the transaction.
    pub sent: u64,
    /// Records that the sink's route does not name.
    pub skipped: u64,
    /// Records given up; they count once the position has passed them.
    pub dead: Vec<Refused>,
}

/// What reading Kafka's positions back did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adoption {
    /// The partition whose last batch Kafka had committed without the journal knowing.
    pub taken_over: Option<Partition>,
}

/// Why Kafka's positions cannot be adopted; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// Kafka shows what this journal did not write: one of them was copied, restored or deleted. The sink stops until an
    /// operator decides.
    #[error("{partition}: {difference}")]
    Differs {
        /// The partition.
        partition: Partition,
        /// What Kafka shows and what the journal says, for people.
        difference: String,
    },
    /// The journal cannot do it.
    #[error("the journal refused")]
    Journal(#[from] JournalError),
}

impl Journal {
    /// Stores what the next Kafka transaction is to do, in place of an intent that was not carried out. The position does not move.
    pub async fn intend(&self, sink: &str, intent: Intent) -> Result<(), JournalError> {
        let name = sink.to_owned();
        self.write(move |tx| store(tx, &sinks::present(tx.connection, &name)?, &intent)).await
    }

    /// Takes over the intent that Kafka has committed: position, counts and dead letters in one transaction.
    /// [`JournalError::Conflict`] if it is not the stored one.
    pub async fn mirror(&self, sink: &str, partition: &Partition, to: u64, id: Uuid) -> Result<(), JournalError> {
        let (name, partition) = (sink.to_owned(), partition.clone());
        self.write(move |tx| mirror(tx, &sinks::present(tx.connection, &name)?, &partition, to, id)).await
    }

    /// Compares every entry that Kafka shows of a sink with the journal. An entry must equal the stored position or the intent, in
    /// sequence and id: the intent is taken over, an intent that Kafka does not show is discarded. Anything else changes nothing
    /// and is [`AdoptError::Differs`] (model rule `position-id`). An older entry of a partition in which delivery went on at least
    /// once is outdated, and the next batch replaces it.
    pub async fn adopt(&self, sink: &str, entries: Vec<(Partition, u64, Uuid)>) -> Result<Adoption, AdoptError> {
        let name = sink.to_owned();
        self.write(move |tx| adopt(tx, &sinks::present(tx.connection, &name)?, &entries)).await?
    }
}

/// The stored intent of a sink.
pub(super) fn load(tx: &Tx<'_>, sink: i64) -> Done<Option<Intent>> {
    let json: Option<String> =
        first(tx.connection, "SELECT intent FROM intents WHERE sink = ?1", [sink], |row| row.get(0))?;
    let read = |json: String| serde_json::from_str(&json).map_err(|e| Fail::damaged(format!("an intent: {e}")));
    json.map(read).transpose()
}

/// Stores an intent as it is.
pub(super) fn put(tx: &Tx<'_>, sink: i64, intent: &Intent) -> Done<()> {
    let json = serde_json::to_string(intent).map_err(|e| Fail::damaged(format!("an intent: {e}")))?;
    tx.execute("INSERT OR REPLACE INTO intents (sink, intent) VALUES (?1, ?2)", (sink, json)).map(drop)
}

fn store(tx: &Tx<'_>, sink: &Sink, intent: &Intent) -> Done<()> {
    let stored = partitions::find(tx.connection, &intent.partition, &sink.name)?.ok_or(Fail::Conflict)?;
    let position = sinks::position(tx.connection, sink, stored.id)?;
    if position != intent.from || intent.to <= position || intent.to > stored.head {
        return Err(Fail::Conflict);
    }
    put(tx, sink.id, intent)
}

fn mirror(tx: &Tx<'_>, sink: &Sink, partition: &Partition, to: u64, id: Uuid) -> Done<()> {
    match load(tx, sink.id)? {
        Some(intent) if intent.partition == *partition && intent.to == to && intent.id == id => {
            take_over(tx, sink, intent)
        }
        Some(_) | None => Err(Fail::Conflict),
    }
}

fn take_over(tx: &Tx<'_>, sink: &Sink, intent: Intent) -> Done<()> {
    let settlement = Settlement {
        sink: sink.name.clone(),
        partition: intent.partition,
        from: intent.from,
        to: intent.to,
        version: intent.version,
        sent: intent.sent,
        skipped: intent.skipped,
        dead: intent.dead,
    };
    settle(tx, sink, &settlement, Some(intent.id))?;
    discard(tx, sink)
}

/// Forgets the intent of a sink.
pub(super) fn discard(tx: &Tx<'_>, sink: &Sink) -> Done<()> {
    tx.execute("DELETE FROM intents WHERE sink = ?1", [sink.id]).map(drop)
}

fn adopt(tx: &Tx<'_>, sink: &Sink, entries: &[(Partition, u64, Uuid)]) -> Done<Result<Adoption, AdoptError>> {
    let intent = load(tx, sink.id)?;
    let ours = sinks::stored_positions(tx.connection, sink)?;
    let is_intent = |(partition, seq, id): &(Partition, u64, Uuid)| {
        intent.as_ref().is_some_and(|intent| (&intent.partition, &intent.to, &intent.id) == (partition, seq, id))
    };
    for entry @ (partition, seq, id) in entries {
        let mine = ours.iter().find(|(of, ..)| of == partition);
        let head = partitions::find(tx.connection, partition, &sink.name)?.map_or(0, |stored| stored.head);
        let same = mine.is_some_and(|(_, position, mirror)| match mirror {
            Some(mirror) => position == seq && mirror == id,
            // Delivery at least once went on from there, of which Kafka keeps no entry.
            None => seq <= position,
        });
        if *seq > head || !(same || is_intent(entry)) {
            return Ok(Err(differs(partition, Some((*seq, *id)), mine)));
        }
    }
    // A position without an id was made by delivery at least once.
    let lost = ours.iter().find(|(of, _, id)| id.is_some() && !entries.iter().any(|(partition, ..)| partition == of));
    if let Some(mine) = lost {
        return Ok(Err(differs(&mine.0, None, Some(mine))));
    }
    let taken_over = match intent {
        Some(intent) if entries.iter().any(is_intent) => {
            let partition = intent.partition.clone();
            take_over(tx, sink, intent)?;
            Some(partition)
        }
        Some(_) => {
            discard(tx, sink)?;
            None
        }
        None => None,
    };
    Ok(Ok(Adoption { taken_over }))
}

fn differs(
    partition: &Partition,
    theirs: Option<(u64, Uuid)>,
    ours: Option<&(Partition, u64, Option<Uuid>)>,
) -> AdoptError {
    let theirs =
        theirs.map_or_else(|| "Kafka has no position".to_owned(), |(seq, id)| format!("Kafka is at {seq} ({id})"));
    let ours = match ours {
        None => "the journal has none".to_owned(),
        Some((_, seq, None)) => format!("the journal is at {seq} (delivered at least once)"),
        Some((_, seq, Some(id))) => format!("the journal is at {seq} ({id})"),
    };
    AdoptError::Differs { partition: partition.clone(), difference: format!("{theirs}, {ours}") }
}
