//! What goes wrong inside a transaction, and the words in which the caller reads it.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::journal::JournalError;

/// Why a piece of work inside a transaction ends without effect.
#[derive(Debug)]
pub(super) enum Fail {
    /// What the caller computed from is no longer there.
    Conflict,
    /// `max_bytes` is reached.
    Full { used: u64, limit: u64 },
    /// Stored data that cannot be what was written.
    Damaged(String),
    /// The engine refused.
    Sql(rusqlite::Error),
}

pub(super) type Done<T> = Result<T, Fail>;

impl From<rusqlite::Error> for Fail {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Fail {
    /// Stored data that cannot be what was written: `what` names the place.
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }

    /// Whether the engine itself is in trouble, so that nothing of the whole transaction may be kept. A value that fits no column or
    /// breaks a constraint is the trouble of one piece of work.
    pub(super) fn ends_transaction(&self) -> bool {
        match self {
            Self::Conflict | Self::Full { .. } | Self::Damaged(_) => false,
            Self::Sql(error) => error.sqlite_error_code().is_some_and(|code| code != ErrorCode::ConstraintViolation),
        }
    }

    /// The caller's error, for the journal at `path`.
    pub(super) fn into_error(self, path: &Path) -> JournalError {
        match self {
            Self::Conflict => JournalError::Conflict,
            Self::Full { used, limit } => JournalError::Full { used, limit },
            Self::Damaged(what) => unusable(path, damaged_text(&what)),
            Self::Sql(error) => unusable(path, sql_text(&error)),
        }
    }
}

/// The error that stops vintner with a text.
pub(super) fn unusable(path: &Path, reason: impl Into<String>) -> JournalError {
    JournalError::Unusable { path: path.to_path_buf(), reason: reason.into() }
}

/// What to do about damage is always the same.
pub(super) fn damaged_text(what: &str) -> String {
    format!("the journal is damaged: {what}; nothing was changed. Restore a copy, or move it aside to start a new one")
}

fn sql_text(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            "the disk is full; nothing was changed. Free space on it, or move the journal to a larger one".into()
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            format!("it cannot be written ({error}); its file, its directory and its `-wal` file must be writable")
        }
        Some(ErrorCode::CannotOpen) => {
            format!("it cannot be opened ({error}); its file and its directory must be readable and writable")
        }
        Some(ErrorCode::SystemIoFailure) => {
            format!("the disk reports an error ({error}); nothing is delivered that may not be stored. Check the disk")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged_text(&error.to_string()),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program keeps it locked; close what has it open (an SQLite shell, a backup tool)".into()
        }
        Some(_) => format!("it cannot be used ({error})"),
        None => damaged_text(&error.to_string()),
    }
}
