//! vintner's own records (contract.md section 3): written in the transaction of the change that they tell of.

use serde_json::value::RawValue;

use crate::journal::Lane;
use crate::journal::batches;
use crate::journal::fail::{Done, Fail};
use crate::journal::partitions;
use crate::journal::tx::{Tx, first};
use crate::org::audit::{About, Change};
use crate::record::place::{DeviceRef, SiteRef};
use crate::record::{Envelope, Marker, Record, RecordKind};

/// Appends what changed to the live lanes of the accounts that it concerns. Needs no room, like the changes themselves (model rule
/// `reserve`).
pub(super) fn tell(tx: &Tx<'_>, changes: &[Change]) -> Done<()> {
    for change in changes {
        let account = partitions::met_account(tx, &change.account)?;
        let record = record(tx, change)?;
        batches::append(tx, account, Lane::Live.as_str(), &[record])?;
    }
    Ok(())
}

fn record(tx: &Tx<'_>, change: &Change) -> Done<Record> {
    let now = tx.now();
    let envelope = Envelope {
        account: change.account.clone(),
        kind: RecordKind::Own(change.about.kind()),
        native_id: change.about.native_id().to_owned(),
        marker: Marker::Own(next(tx)?, now),
        // It is the account's own, whatever site it speaks of: no customer sees who else's it is.
        site: SiteRef::None,
        device: match &change.about {
            About::DeviceMoved { uid, .. } => DeviceRef::Uid(uid.clone()),
            About::SiteCreated { .. }
            | About::SiteRenamed { .. }
            | About::SiteMoved { .. }
            | About::SiteRemoved { .. }
            | About::MappingChanged { .. } => DeviceRef::None,
        },
        path: String::new(),
        received_at: now,
        changed: Vec::new(),
        synthesized: false,
    };
    let source = serde_json::to_string(&change.about).and_then(RawValue::from_string);
    let source = source.map_err(|error| Fail::damaged(format!("a change that cannot be written: {error}")))?;
    Ok(Record { envelope, source })
}

/// Counts vintner's own records of this journal.
fn next(tx: &Tx<'_>) -> Done<u64> {
    let sql = "INSERT INTO meta (name, value) VALUES ('own_records', 1)
        ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value";
    first(tx.connection, sql, [], |row| row.get(0))?
        .ok_or_else(|| Fail::damaged("the count of its own records is missing"))
}
