//! The end of a journal whose files were removed, moved or replaced: its contents are saved where that is possible, and nothing that
//! belongs to another journal by now is touched.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::diagnostic::causes;
use crate::journal::fail::{Done, Fail};
use crate::journal::files::{RESCUED, beside};
use crate::journal::guard::{Guard, Loss};
use crate::journal::schema;
use crate::journal::space;

/// Closes the connection of a journal that suffered `loss`, and returns what happened and what to do. Nothing may be written any more.
pub(super) fn end(connection: Connection, guard: &Guard, path: &Path, loss: &Loss) -> String {
    // Closing would write the log back and remove the file of its name, which may belong to another journal by now.
    if let Err(error) = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
        tracing::warn!(%error, "the journal's log cannot be kept");
    }
    let text = match loss {
        Loss::Removed => removed(&connection, guard, path),
        Loss::Replaced => replaced(&connection, guard, path),
        Loss::Moved => {
            "it was moved while vintner ran. Move it back, and every file that was moved with it (`-wal`), and start vintner again"
                .to_owned()
        }
        Loss::Redirected => format!(
            "`journal.path` does not lead to it any more. Let it lead to {} again, or name that file, and start vintner again",
            path.display()
        ),
        Loss::LogRemoved(log) => log_removed(&connection, log),
        Loss::LogReplaced(log) => format!(
            "another file is in the place of {}. Find out which program has put it there, read the journal with \
             `vintner check --journal`, and restore a copy if it is damaged",
            log.display()
        ),
    };
    drop(connection);
    text
}

fn removed(connection: &Connection, guard: &Guard, path: &Path) -> String {
    let name = path.display();
    match save(connection, path) {
        Ok(saved) => {
            // A copy that is moved into place must not find the log of the file that it replaces.
            remove_logs(guard);
            format!(
                "it was removed while vintner ran. Its contents are in {}: move that file to {name}, and start vintner again",
                saved.display()
            )
        }
        Err(why) => format!(
            "it was removed while vintner ran, and its contents could not be saved ({why}). Move {name}-wal away, restore a copy, \
             and start vintner again"
        ),
    }
}

fn replaced(connection: &Connection, guard: &Guard, path: &Path) -> String {
    let saved = save(connection, path);
    remove_logs(guard);
    let what = match saved {
        Ok(saved) => format!(
            "The contents of the former one are in {}: move it to {}, or move it away",
            saved.display(),
            path.display()
        ),
        Err(why) => format!(
            "The contents of the former one could not be saved ({why}); if it was moved, its last changes are lost"
        ),
    };
    format!("another file is in its place. {what}, and start vintner again with the one that you want")
}

/// Without a log file of that name nobody else has opened the journal since: everything can go into its file.
fn log_removed(connection: &Connection, log: &Path) -> String {
    let log = log.display();
    match space::truncate_wal(connection) {
        Ok(true) => {
            format!("{log} was removed while vintner ran. Everything of it is written back: start vintner again")
        }
        Ok(false) => format!(
            "{log} was removed while vintner ran, and a program that reads the journal keeps it from being written back. What was \
             taken in since it was last written back comes again after the next start"
        ),
        Err(fail) => format!("{log} was removed while vintner ran, and could not be written back ({})", words(fail)),
    }
}

/// Writes the contents of the journal into a file beside `path`.
fn save(connection: &Connection, path: &Path) -> Result<PathBuf, String> {
    let (saved, draft) = (beside(path, RESCUED), beside(path, "-rescued-new"));
    if saved.exists() {
        return Err(format!("{} is there already", saved.display()));
    }
    schema::new_draft(&draft).map_err(|e| e.to_string())?;
    tracing::warn!(to = %saved.display(), "the journal's file is gone: its contents are saved");
    let written = copy(connection, &draft).map_err(words).and_then(|()| {
        let synced = File::open(&draft).and_then(|file| file.sync_all());
        synced
            .and_then(|()| std::fs::rename(&draft, &saved))
            .and_then(|()| schema::sync_directory(&saved))
            .map_err(|e| e.to_string())
    });
    match written {
        Ok(()) => Ok(saved),
        Err(why) => {
            drop(std::fs::remove_file(&draft));
            Err(why)
        }
    }
}

fn copy(connection: &Connection, draft: &Path) -> Done<()> {
    let name = draft.to_str().ok_or_else(|| Fail::damaged("the name of its folder is no UTF-8"))?;
    connection.execute("VACUUM INTO ?1", [name])?;
    schema::use_log(schema::read_write(draft)?)
}

fn remove_logs(guard: &Guard) {
    for log in guard.own_logs() {
        if let Err(error) = std::fs::remove_file(log) {
            tracing::error!(log = %log.display(), %error, hint = "remove it before the next start: it belongs to the former journal", "the journal's log cannot be removed");
        }
    }
}

fn words(fail: Fail) -> String {
    match fail {
        Fail::Sql(error) => causes::line(&error),
        other @ (Fail::Conflict | Fail::Full { .. } | Fail::Damaged(_)) => {
            causes::line(&other.into_error(Path::new("it")))
        }
    }
}
