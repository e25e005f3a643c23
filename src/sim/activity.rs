//! The activity log: rows with a date, some of which can only be read some time later.

use serde_json::Value;
use uuid::Uuid;

use crate::clock::Millis;

/// One row. Its text is made when it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Decides what it says.
    pub(crate) number: u64,
    pub(crate) id: Uuid,
    pub(crate) date: Millis,
    /// From when on it can be read; later than `date` by the delay of the log store.
    pub(crate) visible_from: Millis,
    pub(crate) subject: Subject,
    /// Whether an answer has shown it.
    pub(crate) shown: bool,
}

/// What a row is about.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// Drawn from the table of known rows, about a device and the site where it was.
    Drawn { device: Option<usize>, site: usize },
    /// A staff member resolved this alert in the portal.
    AlertResolved { alert: u32 },
    /// A device went to another site.
    DeviceMoved { device: usize, from: usize, to: usize },
    /// What a test asked for.
    Custom(Box<CustomRow>),
}

/// A row that a test asked for.
#[derive(Clone, Debug)]
pub(crate) struct CustomRow {
    pub(crate) entity: String,
    pub(crate) category: String,
    pub(crate) action: String,
    pub(crate) details: Option<String>,
    pub(crate) user: Option<Value>,
    pub(crate) device: Option<usize>,
    pub(crate) site: Option<usize>,
}

/// Where a row stands in the log: by date, then by id.
pub(crate) type Place = (Millis, Uuid);

/// All rows, and those that can be read already.
#[derive(Debug, Default)]
pub(crate) struct ActivityLog {
    all: Vec<Row>,
    /// Ascending.
    visible: Vec<(Place, u32)>,
}

impl ActivityLog {
    /// Writes a row, which nobody can read yet, and returns its place among all rows.
    pub(crate) fn write(&mut self, row: Row) -> Option<u32> {
        let place = u32::try_from(self.all.len()).ok()?;
        self.all.push(row);
        Some(place)
    }

    /// Lets the row at `place` be read.
    pub(crate) fn appear(&mut self, place: u32) {
        let Some(row) = self.all.get(place as usize) else { return };
        let entry = ((row.date, row.id), place);
        if let Err(at) = self.visible.binary_search(&entry) {
            self.visible.insert(at, entry);
        }
    }

    /// The row at `place`.
    pub(crate) fn get(&self, place: u32) -> Option<&Row> {
        self.all.get(place as usize)
    }

    /// Notes that an answer has shown the row at `place`.
    pub(crate) fn mark_shown(&mut self, place: u32) {
        if let Some(row) = self.all.get_mut(place as usize) {
            row.shown = true;
        }
    }

    /// Readable rows with `from` ≤ date ≤ `until`, ascending.
    pub(crate) fn between(&self, from: Millis, until: Millis) -> &[(Place, u32)] {
        let first = self.visible.partition_point(|((date, _), _)| *date < from);
        let end = self.visible.partition_point(|((date, _), _)| *date <= until);
        self.visible.get(first..end).unwrap_or_default()
    }

    /// Every row that was ever written.
    pub(crate) fn all(&self) -> &[Row] {
        &self.all
    }
}
