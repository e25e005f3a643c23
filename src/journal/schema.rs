//! The journal's tables, their versions, and the refusal of files that this vintner must not touch.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use uuid::Uuid;

use crate::journal::JournalError;
use crate::journal::fail::{Done, Fail, damaged_text, unusable};
use crate::journal::files::{RESCUED, beside};
use crate::journal::lock;
use crate::journal::log;
use crate::journal::wait::Patience;

/// SQLite's `application_id` of a journal: "vntr".
const APPLICATION_ID: u32 = 0x766e_7472;
/// What every SQLite file starts with (sqlite.org/fileformat.html section 1.3); the application id stands at byte 68.
const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// What makes version n+1 from version n; an entry is never changed once released.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
    include_str!("schema/5.sql"),
    concat!(include_str!("schema/6_journal.sql"), "\n"),
];

/// The version that this vintner writes.
pub(super) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Makes a new, empty journal. It appears under its name only when it is complete, so that an empty or half-made file is
/// never mistaken for a new journal, nor a truncated one for an empty one.
pub(super) fn create(path: &Path) -> Result<(), JournalError> {
    let failed = |e: std::io::Error| unusable(path, format!("it cannot be created ({e})"));
    let (rescued, wal) = (beside(path, RESCUED), beside(path, "-wal"));
    if rescued.exists() {
        let text = format!(
            "it is missing, but {} has the contents of a journal that was removed: move that file to {}, or away to start a new journal",
            rescued.display(),
            path.display()
        );
        return Err(unusable(path, text));
    }
    // An empty one too: a journal was here when vintner was last killed.
    if wal.exists() {
        let log = wal.display();
        return Err(unusable(
            path,
            format!("it is missing but {log} is there: restore the journal, or move that file aside"),
        ));
    }
    let draft = beside(path, "-new");
    new_draft(&draft).map_err(failed)?;
    fill(&draft).map_err(|e| e.into_error(path))?;
    File::open(&draft).and_then(|file| file.sync_all()).map_err(failed)?;
    std::fs::rename(&draft, path).map_err(failed)?;
    sync_directory(path).map_err(failed)
}

/// An empty file for a journal that gets its own name when it is complete. One that a kill left is removed.
pub(super) fn new_draft(draft: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(draft) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        Ok(()) | Err(_) => {}
    }
    private_file(draft)
}

/// Refuses a file that is not a journal of this version or an older one. Reads only. `file` is the journal if this process has locked it.
pub(super) fn inspect(path: &Path, file: Option<&File>) -> Result<(), JournalError> {
    match file {
        Some(file) => inspect_header(path, file)?,
        None if lock::is_ours(path) => {}
        None => {
            let file = File::open(path).map_err(|e| unusable(path, format!("it cannot be opened ({e})")))?;
            inspect_header(path, &file)?;
        }
    }
    let found = read_only(path).and_then(|connection| version(&connection));
    match found.map_err(|e| e.into_error(path))? {
        found if found > newest() => Err(unusable(
            path,
            format!("it was written by a newer vintner (layout {found}, this one knows {}): use that one", newest()),
        )),
        found if found < 1 => Err(unusable(path, damaged_text("its layout has no version"))),
        _ => Ok(()),
    }
}

/// Refuses a journal whose write-ahead log lost committed changes. Reads only.
pub(super) fn inspect_log(path: &Path) -> Result<(), JournalError> {
    let wal = beside(path, "-wal");
    let damage = log::damage(&wal).map_err(|e| unusable(path, format!("{} cannot be read ({e})", wal.display())))?;
    let Some((at, frames)) = damage else { return Ok(()) };
    Err(unusable(
        path,
        format!(
            "the journal is damaged: {} is unreadable from part {at} of {frames} on, and holds changes that were confirmed; nothing was \
             changed. Restore a copy, or move that file aside to go on without these changes",
            wal.display()
        ),
    ))
}

/// Refuses what SQLite would change or read as something else.
fn inspect_header(path: &Path, file: &File) -> Result<(), JournalError> {
    let mut header = [0; 100];
    file.read_exact_at(&mut header, 0)
        .map_err(|_| unusable(path, "it is not a journal: shorter than any. Restore a copy, or move it aside"))?;
    let application = header.get(68..72).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    if !header.starts_with(SQLITE_MAGIC) || application != Some(APPLICATION_ID) {
        return Err(unusable(path, "it is not a journal of vintner: name another path, or move it aside"));
    }
    Ok(())
}

/// Brings an older layout up to date, all steps in one transaction.
pub(super) fn migrate(connection: &Connection, path: &Path, patience: &Patience) -> Done<()> {
    if version(connection)? == newest() {
        return Ok(());
    }
    patience.begin(connection, "BEGIN IMMEDIATE", path)?;
    let migrated = version(connection).and_then(|found| {
        for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
            connection.execute_batch(step)?;
        }
        connection.pragma_update(None, "user_version", newest())?;
        Ok(connection.execute_batch("COMMIT")?)
    });
    if migrated.is_err() && !connection.is_autocommit() {
        // The first error is the one to report. The connection is closed after it.
        drop(connection.execute_batch("ROLLBACK"));
    }
    migrated
}

/// Refuses a layout that only a writer may bring up to date.
pub(super) fn require_newest(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let found = version(connection).map_err(|e| e.into_error(path))?;
    if found == newest() {
        return Ok(());
    }
    Err(unusable(path, "it was written by an older vintner: `vintner run` brings it up to date"))
}

/// The journal's id, made at its creation.
pub(super) fn id(connection: &Connection) -> Done<Uuid> {
    let text: Option<String> =
        connection.query_row("SELECT value FROM meta WHERE name = 'id'", [], |row| row.get(0)).optional()?;
    text.and_then(|text| text.parse().ok()).ok_or_else(|| Fail::damaged("it has no id"))
}

/// A connection that cannot change anything.
pub(super) fn read_only(path: &Path) -> Done<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags)?;
    // Sorting in memory: a temporary file would need a descriptor.
    connection.execute_batch(
        "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY",
    )?;
    Ok(connection)
}

/// A connection that writes, durable at each commit.
pub(super) fn read_write(path: &Path) -> Done<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags)?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;
         PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384",
    )?;
    Ok(connection)
}

fn open(path: &Path, flags: OpenFlags) -> Done<Connection> {
    #[cfg_attr(not(test), expect(unused_mut, reason = "only tests change it"))]
    let mut connection = Connection::open_with_flags(path, flags)?;
    #[cfg(test)]
    crate::journal::meter::install(&mut connection)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// How long one process waits for another's lock: a command that leaves a request, or a checkpoint.
pub(super) const BUSY: std::time::Duration = std::time::Duration::from_secs(10);
const STATEMENTS: usize = 64;

fn version(connection: &Connection) -> Done<i64> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn fill(path: &Path) -> Done<()> {
    let connection = read_write(path)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    migrate(&connection, path, &Patience::of(BUSY))?;
    connection.execute("INSERT INTO meta (name, value) VALUES ('id', ?1)", [Uuid::new_v4().to_string()])?;
    use_log(connection)
}

/// The last step of making a file, since it is stored in its header: from here on every connection uses the write-ahead log.
pub(super) fn use_log(connection: Connection) -> Done<()> {
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.close().map_err(|(_, e)| Fail::Sql(e))
}

/// An empty file that only this user can read: the journal holds customers' data. SQLite gives its log the same rights.
fn private_file(path: &Path) -> std::io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

pub(super) fn sync_directory(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(parent)?.sync_all() } else { Ok(()) }
}
