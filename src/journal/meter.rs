//! Counts the steps of SQLite's machine on the thread that runs them: tests of cost count work, not time.

use std::cell::Cell;

use rusqlite::Connection;

/// Steps between two calls of the handler: a smaller number makes every test slower.
const GRAIN: i32 = 8;

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// Counts the steps of a connection from now on.
pub(super) fn install(connection: &mut Connection) -> rusqlite::Result<()> {
    let count = || {
        STEPS.with(|steps| steps.set(steps.get().saturating_add(GRAIN.unsigned_abs().into())));
        false
    };
    connection.progress_handler(GRAIN, Some(count))
}

/// What `work` found, and the steps that it took.
pub(super) fn measure<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = STEPS.with(Cell::get);
    let found = work();
    (found, STEPS.with(Cell::get).saturating_sub(before))
}
