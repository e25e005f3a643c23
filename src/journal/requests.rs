//! Requests that commands leave for the running instance, and that it serves.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::diagnostic::causes;
use crate::journal::JournalError;
use crate::journal::dead_requests::{self, Stepped, Work};
use crate::journal::fail::{Done, Fail};
use crate::journal::replay::{self, Progress, Run, Wanted};
use crate::journal::schema;
use crate::journal::sinks::{self, Sink};
use crate::journal::sqlite::Journal;
use crate::journal::tx::{Tx, first, rows};

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Send records again that a sink has passed.
    Replay {
        /// The sink.
        sink: String,
        /// Only records of this organization, by the mapping in force.
        org: Option<String>,
        /// Only records that the journal took in at this time or later.
        since: Option<Millis>,
        /// Only records that the journal took in before this time.
        until: Option<Millis>,
    },
    /// Send dead letters of sinks again; they are dead letters no more.
    ReplayDead(DeadLetters),
    /// Forget dead letters.
    DropDead(DeadLetters),
}

/// Which dead letters a request means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetters {
    /// These.
    Ids(Vec<u64>),
    /// All of a sink.
    Sink(String),
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Served {
    /// So many records are sent again, under the request's number.
    Replayed(u64),
    /// So many dead letters are forgotten.
    Dropped(u64),
    /// It cannot be done; why, for people, and how much was done before, if anything.
    Refused(String),
}

/// Answers that are kept.
const ANSWERS: u64 = 100;

impl Journal {
    /// Leaves a request and returns its number. A journal that was opened only to look may do this too: the instance that has it open
    /// serves the request, or the next one that opens it.
    pub async fn ask(&self, request: Request) -> Result<u64, JournalError> {
        if self.writes() {
            return self.write(move |tx| store(tx.connection, &request, tx.now()).inspect(|_| tx.announce())).await;
        }
        let ground = self.inner.ground.clone();
        self.blocking(move || {
            let asked = schema::read_write(&ground.path)
                .and_then(|connection| store(&connection, &request, ground.clock.now()));
            asked.map_err(|e| e.into_error(&ground.path))
        })
        .await
    }

    /// The requests that wait, oldest first; `None` for one of a kind that this version does not know.
    pub async fn requests(&self) -> Result<Vec<(u64, Option<Request>)>, JournalError> {
        self.look(|view| {
            let sql = "SELECT id, request FROM requests WHERE id > 0 ORDER BY id";
            let found = rows(view.connection, sql, [], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
            Ok(found.into_iter().map(|(id, json)| (id, decode(&json).ok())).collect())
        })
        .await
    }

    /// The number of the oldest request behind that number that waits.
    pub async fn next_request(&self, behind: u64) -> Result<Option<u64>, JournalError> {
        self.look(move |view| {
            let sql = "SELECT id FROM requests WHERE id > ?1 ORDER BY id LIMIT 1";
            first(view.connection, sql, [behind], |row| row.get(0))
        })
        .await
    }

    /// Whether the request of that number waits.
    pub async fn is_waiting(&self, request: u64) -> Result<bool, JournalError> {
        self.look(move |view| {
            let sql = "SELECT 1 FROM requests WHERE id = ?1";
            Ok(first(view.connection, sql, [request], |_| Ok(()))?.is_some())
        })
        .await
    }

    /// What became of a request, if it was among the last hundred.
    pub async fn answer(&self, request: u64) -> Result<Option<Served>, JournalError> {
        self.look(move |view| {
            let sql = "SELECT answer FROM answers WHERE request = ?1";
            let json: Option<String> = first(view.connection, sql, [request], |row| row.get(0))?;
            let read = |json: String| serde_json::from_str(&json).map_err(|e| Fail::damaged(format!("an answer: {e}")));
            json.map(read).transpose()
        })
        .await
    }

    /// Does what a request asks, notes the answer and removes it (model rule `request`). What concerns many records is done in
    /// bounded transactions: after a crash the request still waits, and goes on where it stood. One that cannot be served (any
    /// further) is answered with the reason: an error means that the journal cannot even take that answer.
    /// A caller that is dropped meanwhile leaves the request where its last step brought it.
    /// [`JournalError::Conflict`] if the request does not wait (any more).
    pub async fn serve(&self, request: u64) -> Result<Served, JournalError> {
        loop {
            if let Some(served) = self.serve_step(request).await? {
                return Ok(served);
            }
        }
    }

    /// One transaction of [`Journal::serve`]; `None`: there is more to do.
    pub(super) async fn serve_step(&self, request: u64) -> Result<Option<Served>, JournalError> {
        match self.fulfil_step(request).await {
            Ok(served) => Ok(served),
            Err(JournalError::Conflict) => Err(JournalError::Conflict),
            Err(error) => {
                let why = causes::line(&error);
                self.write(move |tx| refuse(tx, request, why)).await.map(Some)
            }
        }
    }

    async fn fulfil_step(&self, request: u64) -> Result<Option<Served>, JournalError> {
        let planned = self
            .look(move |view| {
                let Waiting { asked, progress: before } = load(view.connection, request)?;
                let Ok(Request::Replay { sink, org, since, until }) = decode(&asked) else { return Ok(None) };
                let Some(sink) = sinks::find(view.connection, &sink)? else { return Ok(None) };
                let before = before.map(|json| decode_progress(&json)).transpose()?;
                let mut after = match &before {
                    Some(progress) => progress.clone(),
                    None => replay::begin(view.connection, &sink)?,
                };
                let runs = replay::plan(view, &Wanted { org: org.as_deref(), since, until }, &mut after)?;
                Ok(Some(Planned { runs, before, after }))
            })
            .await?;
        self.write(move |tx| {
            let Waiting { asked, progress } = load(tx.connection, request)?;
            let progress = progress.map(|json| decode_progress(&json)).transpose()?;
            let step = match decode(&asked) {
                Ok(asked) => serve(tx, request, asked, progress, planned)?,
                Err(error) => {
                    let why = format!("this version of vintner does not know such a request ({error})");
                    Step::Done(Served::Refused(why))
                }
            };
            match step {
                Step::Done(Served::Refused(why)) => refuse(tx, request, why).map(Some),
                Step::Done(served) => answer(tx, request, served).map(Some),
                Step::More(progress) => {
                    let json =
                        serde_json::to_string(&progress).map_err(|e| Fail::damaged(format!("a request: {e}")))?;
                    tx.execute("UPDATE requests SET progress = ?2 WHERE id = ?1", (request, json))?;
                    Ok(None)
                }
            }
        })
        .await
    }
}

/// What a step of a replay appends.
struct Planned {
    runs: Vec<Run>,
    before: Option<Progress>,
    after: Progress,
}

enum Step {
    Done(Served),
    More(Progress),
}

/// A waiting request as it was left, and how far it is; both JSON.
struct Waiting {
    asked: String,
    progress: Option<String>,
}

/// Refuses a waiting request that cannot be served (any further).
fn refuse(tx: &Tx<'_>, request: u64, why: String) -> Done<Served> {
    let progress = load(tx.connection, request)?.progress;
    // Progress that cannot be read is the reason itself.
    let done = progress.and_then(|json| decode_progress(&json).ok()).map_or(0, |progress| progress.done);
    let why = if done == 0 { why } else { format!("{why}; it was done for {done} records before") };
    answer(tx, request, Served::Refused(why))
}

/// Notes the answer and removes the request.
fn answer(tx: &Tx<'_>, request: u64, served: Served) -> Done<Served> {
    tx.execute("DELETE FROM requests WHERE id = ?1", [request])?;
    let answer = serde_json::to_string(&served).map_err(|e| Fail::damaged(format!("an answer: {e}")))?;
    tx.execute("INSERT OR REPLACE INTO answers (request, answer) VALUES (?1, ?2)", (request, answer))?;
    tx.execute("DELETE FROM answers WHERE request <= ?1", [request.saturating_sub(ANSWERS)])?;
    Ok(served)
}

fn serve(
    tx: &Tx<'_>,
    number: u64,
    request: Request,
    progress: Option<Progress>,
    planned: Option<Planned>,
) -> Done<Step> {
    let refused = |why: String| Ok(Step::Done(Served::Refused(why)));
    match request {
        Request::Replay { sink, .. } => match (sinks::find(tx.connection, &sink)?, planned) {
            (Some(sink), Some(planned)) if planned.before == progress => {
                let mut after = planned.after;
                after.done = after.done.saturating_add(replay::append(tx, &sink, &planned.runs, number)?);
                let is_complete = after.at >= after.parts.len();
                Ok(if is_complete { Step::Done(Served::Replayed(after.done)) } else { Step::More(after) })
            }
            // The sink was taken into use since the plan was made, or somebody else serves: plan anew.
            (Some(sink), _) => Ok(Step::More(match progress {
                Some(progress) => progress,
                None => replay::begin(tx.connection, &sink)?,
            })),
            (None, _) => refused(unknown_sink(&sink)),
        },
        Request::ReplayDead(DeadLetters::Sink(name)) | Request::DropDead(DeadLetters::Sink(name))
            if sinks::find(tx.connection, &name)?.is_none() =>
        {
            refused(unknown_sink(&name))
        }
        Request::ReplayDead(DeadLetters::Sink(name)) => some_letters(
            tx,
            &name,
            progress,
            |sink, last| dead_requests::replay_some(tx, sink, last, number),
            Served::Replayed,
        ),
        Request::DropDead(DeadLetters::Sink(name)) => {
            some_letters(tx, &name, progress, |sink, last| dead_requests::drop_some(tx, sink, last), Served::Dropped)
        }
        Request::ReplayDead(DeadLetters::Ids(ids)) => numbered_letters(tx, ids, Work::Replay, number, progress),
        Request::DropDead(DeadLetters::Ids(ids)) => numbered_letters(tx, ids, Work::Drop, number, progress),
    }
}

/// One step over dead letters that are given by their numbers.
fn numbered_letters(tx: &Tx<'_>, mut ids: Vec<u64>, work: Work, number: u64, progress: Option<Progress>) -> Done<Step> {
    ids.sort_unstable();
    ids.dedup();
    let mut progress = progress.unwrap_or_default();
    Ok(match dead_requests::some_by_number(tx, &ids, work, number, &mut progress)? {
        Stepped::More => Step::More(progress),
        Stepped::Done if work == Work::Replay => Step::Done(Served::Replayed(progress.done)),
        Stepped::Done => Step::Done(Served::Dropped(progress.done)),
        Stepped::Refused(why) => Step::Done(Served::Refused(why)),
    })
}

/// One step over all dead letters of a sink that were there when the request was first served. `work` says how much it did, and whether
/// there may be more.
fn some_letters(
    tx: &Tx<'_>,
    sink: &str,
    progress: Option<Progress>,
    work: impl FnOnce(&Sink, i64) -> Done<(u64, bool)>,
    served: impl FnOnce(u64) -> Served,
) -> Done<Step> {
    let sink = sinks::present(tx.connection, sink)?;
    let mut progress = match progress {
        Some(progress) => progress,
        None => Progress { last_letter: dead_requests::newest(tx.connection)?, ..Progress::default() },
    };
    let (done, more) = work(&sink, progress.last_letter)?;
    progress.done = progress.done.saturating_add(done);
    Ok(if more { Step::More(progress) } else { Step::Done(served(progress.done)) })
}

fn unknown_sink(name: &str) -> String {
    format!("no sink `{name}` is configured")
}

fn store(connection: &Connection, request: &Request, now: Millis) -> Done<u64> {
    let json = serde_json::to_string(request).map_err(|e| Fail::damaged(format!("a request: {e}")))?;
    connection.execute("INSERT INTO requests (request, asked_at) VALUES (?1, ?2)", (json, now.0))?;
    u64::try_from(connection.last_insert_rowid()).map_err(|_| Fail::damaged("the number of a request is negative"))
}

fn load(connection: &Connection, id: u64) -> Done<Waiting> {
    let sql = "SELECT request, progress FROM requests WHERE id = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok(Waiting { asked: row.get(0)?, progress: row.get(1)? });
    first(connection, sql, [id], read)?.ok_or(Fail::Conflict)
}

fn decode(json: &str) -> serde_json::Result<Request> {
    serde_json::from_str(json)
}

fn decode_progress(json: &str) -> Done<Progress> {
    serde_json::from_str(json).map_err(|e| Fail::damaged(format!("the progress of a request: {e}")))
}
