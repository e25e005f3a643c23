//! Requests that commands leave for the running instance, and that it serves.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::diagnostic::causes;
use crate::journal::JournalError;
use crate::journal::dead;
use crate::journal::fail::{Done, Fail};
use crate::journal::replay::{self, Run, Wanted};
use crate::journal::schema;
use crate::journal::sinks;
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
    /// It cannot be done, and nothing was; why, for people.
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

    /// Does what a request asks, notes the answer and removes it, in one transaction (model rule `request`). One that cannot be
    /// served is answered with the reason: an error means that the journal cannot even take that answer.
    /// [`JournalError::Conflict`] if the request does not wait (any more).
    pub async fn serve(&self, request: u64) -> Result<Served, JournalError> {
        match self.fulfil(request).await {
            Ok(served) => Ok(served),
            Err(JournalError::Conflict) => Err(JournalError::Conflict),
            Err(error) => {
                let refused = Served::Refused(causes::line(&error));
                self.write(move |tx| load(tx.connection, request).and_then(|_| answer(tx, request, refused))).await
            }
        }
    }

    async fn fulfil(&self, request: u64) -> Result<Served, JournalError> {
        let plan = self
            .look(move |view| match decode(&load(view.connection, request)?) {
                Ok(Request::Replay { sink, org, since, until }) => {
                    let Some(sink) = sinks::find(view.connection, &sink)? else { return Ok(Vec::new()) };
                    replay::plan(view, &sink, &Wanted { org: org.as_deref(), since, until })
                }
                Ok(Request::ReplayDead(_) | Request::DropDead(_)) | Err(_) => Ok(Vec::new()),
            })
            .await?;
        self.write(move |tx| {
            let served = match decode(&load(tx.connection, request)?) {
                Ok(asked) => serve(tx, request, asked, &plan)?,
                Err(error) => {
                    Served::Refused(format!("this version of vintner does not know such a request ({error})"))
                }
            };
            answer(tx, request, served)
        })
        .await
    }
}

/// Notes the answer and removes the request.
fn answer(tx: &Tx<'_>, request: u64, served: Served) -> Done<Served> {
    tx.execute("DELETE FROM requests WHERE id = ?1", [request])?;
    let answer = serde_json::to_string(&served).map_err(|e| Fail::damaged(format!("an answer: {e}")))?;
    tx.execute("INSERT OR REPLACE INTO answers (request, answer) VALUES (?1, ?2)", (request, answer))?;
    tx.execute("DELETE FROM answers WHERE request <= ?1", [request.saturating_sub(ANSWERS)])?;
    Ok(served)
}

fn serve(tx: &Tx<'_>, number: u64, request: Request, plan: &[Run]) -> Done<Served> {
    match request {
        Request::Replay { sink, .. } => match sinks::find(tx.connection, &sink)? {
            Some(sink) => Ok(Served::Replayed(replay::append(tx, &sink, plan, number)?)),
            None => Ok(unknown_sink(&sink)),
        },
        Request::ReplayDead(DeadLetters::Sink(name)) | Request::DropDead(DeadLetters::Sink(name))
            if sinks::find(tx.connection, &name)?.is_none() =>
        {
            Ok(unknown_sink(&name))
        }
        Request::ReplayDead(letters) => match dead::unsendable(tx.connection, &letters)? {
            Some(why) => Ok(Served::Refused(why)),
            None => Ok(Served::Replayed(dead::replay(tx, &letters, number)?)),
        },
        Request::DropDead(letters) => match dead::missing(tx.connection, &letters)? {
            Some(why) => Ok(Served::Refused(why)),
            None => Ok(Served::Dropped(dead::drop_letters(tx, &letters)?)),
        },
    }
}

fn unknown_sink(name: &str) -> Served {
    Served::Refused(format!("no sink `{name}` is configured"))
}

fn store(connection: &Connection, request: &Request, now: Millis) -> Done<u64> {
    let json = serde_json::to_string(request).map_err(|e| Fail::damaged(format!("a request: {e}")))?;
    connection.execute("INSERT INTO requests (request, asked_at) VALUES (?1, ?2)", (json, now.0))?;
    u64::try_from(connection.last_insert_rowid()).map_err(|_| Fail::damaged("the number of a request is negative"))
}

/// A waiting request as it was left.
fn load(connection: &Connection, id: u64) -> Done<String> {
    first(connection, "SELECT request FROM requests WHERE id = ?1", [id], |row| row.get(0))?.ok_or(Fail::Conflict)
}

fn decode(json: &str) -> serde_json::Result<Request> {
    serde_json::from_str(json)
}
