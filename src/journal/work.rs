//! A piece of work for the writer, and the one who waits for its result.

use tokio::sync::oneshot;

use crate::diagnostic::panics::{Panicked, caught};
use crate::journal::JournalError;
use crate::journal::fail::{Done, Fail};
use crate::journal::tx::{Ground, Tx};

/// A piece of work and the one who waits for its result.
pub(super) trait Work: Send {
    /// Does it; an error, or a panic, means that nothing of it may be kept.
    fn run(&mut self, tx: &Tx<'_>) -> Done<Ran>;
    /// Answers: with what `run` found, or with `error`.
    fn answer(self: Box<Self>, error: Option<JournalError>);
}

/// How a piece of work ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ran {
    ToItsEnd,
    /// Its caller panics in its place: that is no fault of the journal.
    Panicked,
}

/// Work whose result `T` somebody waits for.
pub(super) struct Piece<T, F> {
    work: Option<F>,
    result: Option<Result<T, Panicked>>,
    reply: oneshot::Sender<Result<Result<T, Panicked>, JournalError>>,
}

impl<T, F> Piece<T, F> {
    pub(super) fn new(work: F, reply: oneshot::Sender<Result<Result<T, Panicked>, JournalError>>) -> Self {
        Self { work: Some(work), result: None, reply }
    }
}

impl<T, F> Work for Piece<T, F>
where
    T: Send,
    F: FnOnce(&Tx<'_>) -> Done<T> + Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> Done<Ran> {
        let Some(work) = self.work.take() else { return Ok(Ran::ToItsEnd) };
        let result = caught(|| work(tx)).map_or_else(|panicked| Ok(Err(panicked)), |done| done.map(Ok))?;
        let ran = if result.is_ok() { Ran::ToItsEnd } else { Ran::Panicked };
        self.result = Some(result);
        Ok(ran)
    }

    fn answer(self: Box<Self>, error: Option<JournalError>) {
        let answer = match (error, self.result) {
            (Some(error), _) => Err(error),
            (None, Some(result)) => Ok(result),
            (None, None) => return,
        };
        // A caller that went away does not need the answer; its work is done all the same.
        drop(self.reply.send(answer));
    }
}

/// A group after its transaction, not yet answered.
pub(super) struct Written {
    pub(super) group: Vec<Box<dyn Work>>,
    /// Of each piece of work why it was refused, if it was; or why the transaction failed.
    pub(super) outcome: Done<Vec<Option<Fail>>>,
}

impl Written {
    /// Answers everyone of the group.
    pub(super) fn answer(self, ground: &Ground) {
        match self.outcome {
            Ok(refused) => {
                for (work, fail) in self.group.into_iter().zip(refused) {
                    work.answer(fail.map(|fail| fail.into_error(&ground.path)));
                }
            }
            Err(fail) => {
                let text = fail.into_error(&ground.path);
                answer_all(self.group, &|| again(&text));
            }
        }
    }
}

/// Answers everyone of a group with an error.
pub(super) fn answer_all(group: Vec<Box<dyn Work>>, error: &dyn Fn() -> JournalError) {
    for work in group {
        work.answer(Some(error()));
    }
}

/// The same error for another caller.
fn again(error: &JournalError) -> JournalError {
    match error {
        JournalError::Conflict => JournalError::Conflict,
        JournalError::Full { used, limit } => JournalError::Full { used: *used, limit: *limit },
        JournalError::Locked { path, holder } => JournalError::Locked { path: path.clone(), holder: holder.clone() },
        JournalError::Unusable { path, reason } => {
            JournalError::Unusable { path: path.clone(), reason: reason.clone() }
        }
    }
}
