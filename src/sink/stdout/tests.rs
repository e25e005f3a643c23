//! Stumbles of standard output, and the contract of sinks on a reader that can stop reading.

use std::io::Write;
use std::sync::{Arc, Condvar};
use std::time::Duration;

use super::*;
use crate::output::descriptor::tests::{Act, Scripted};
use crate::sink::contract::{self, Arrived, Cannot};
use crate::sink::lines::tests::event;

fn on(script: impl IntoIterator<Item = Act>) -> (Stdout, Scripted) {
    let writer = Scripted::new(script);
    (Stdout::on(writer.clone()).unwrap(), writer)
}

#[tokio::test]
async fn a_closed_pipe_names_what_was_accepted() {
    let (mut stdout, writer) = on([Act::Take(7), Act::Fail(ErrorKind::BrokenPipe)]);
    let batch = ["{1}", "{2}", "{3}"].map(event);
    assert_eq!(stdout.deliver(&batch).await, Err(SinkError::Closed { accepted: 1 }));
    assert_eq!(writer.text(), "{1}\n{2}");
}

#[tokio::test]
async fn a_full_disk_and_a_full_pipe_are_waited_for_from_the_byte_on_that_was_not_accepted() {
    let full = Act::Fail(ErrorKind::StorageFull);
    let (mut stdout, writer) = on([Act::Take(5), full, full, Act::Fail(ErrorKind::WouldBlock), Act::Take(2), full]);
    let trouble = stdout.trouble();
    let batch = ["{1}", "{2}", "{3}"].map(event);
    let delivery = stdout.deliver(&batch);
    tokio::pin!(delivery);
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut delivery).await.is_err());
    assert!(trouble.get().unwrap().contains("standard output cannot be written"), "it says why it waits");
    delivery.await.unwrap();
    assert_eq!((writer.text().as_str(), trouble.get()), ("{1}\n{2}\n{3}\n", None));
}

#[tokio::test]
async fn a_line_that_a_failed_delivery_tore_is_ended_before_anything_else() {
    let (stdout, writer) = on([Act::Take(5), Act::Fail(ErrorKind::StorageFull)]);
    let mut stdout = Stdout { on_error: OnError::Fail, ..stdout };
    let failed = stdout.deliver(&["{1}", "{2}", "{3}"].map(event)).await;
    assert!(matches!(&failed, Err(SinkError::Retry(text)) if text.contains("cannot be written")), "{failed:?}");
    stdout.deliver(&[event("{4}")]).await.unwrap();
    assert_eq!(writer.text(), "{1}\n{2}\n{4}\n");
}

#[tokio::test]
async fn a_panic_of_the_writing_thread_fails_the_batch_and_the_next_one_is_written() {
    let (mut stdout, writer) = on([Act::Take(5), Act::Panic]);
    let failed = stdout.deliver(&["{1}", "{2}", "{3}"].map(event)).await;
    assert!(matches!(&failed, Err(SinkError::Retry(text)) if text.contains("a panic at")), "{failed:?}");
    stdout.deliver(&["{2}", "{3}"].map(event)).await.unwrap();
    assert_eq!(writer.text(), "{1}\n{2}\n{2}\n{3}\n", "the line in hand is ended");
}

#[tokio::test]
async fn a_sink_that_takes_so_many_takes_exactly_so_many() {
    let (stdout, writer) = on([]);
    let mut stdout = stdout.closing_after(Some(3));
    stdout.deliver(&["{1}", "{2}"].map(event)).await.unwrap();
    assert_eq!(stdout.deliver(&["{3}", "{4}"].map(event)).await, Err(SinkError::Closed { accepted: 1 }));
    assert_eq!(stdout.deliver(&[event("{5}")]).await, Err(SinkError::Closed { accepted: 0 }));
    assert_eq!(writer.text(), "{1}\n{2}\n{3}\n");
}

#[tokio::test]
async fn events_are_lines() {
    let (mut stdout, writer) = on([]);
    stdout.deliver(&[event("{}"), event("[]")]).await.unwrap();
    assert_eq!(writer.text(), "{}\n[]\n");
}

/// A reader that can stop reading, on a disk that can be full. All sinks on it are written by one thread, as on stdout.
struct Reader {
    writer: Gated,
    owner: Owner,
}

#[derive(Clone, Default)]
struct Gated {
    seen: Arc<Mutex<Vec<u8>>>,
    gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Gate {
    #[default]
    Open,
    Closed,
    /// Takes so many bytes, then fails.
    Room(usize),
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // As a pipe whose reader reads a little now and then: whoever else writes has its turn.
        std::thread::sleep(Duration::from_micros(500));
        let gate = self.gate.0.lock().unwrap();
        let mut gate = self.gate.1.wait_while(gate, |gate| *gate == Gate::Closed).unwrap();
        let mut taken = bytes.len().min(10_001);
        if let Gate::Room(room) = &mut *gate {
            taken = taken.min(*room);
            *room -= taken;
            if taken == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
        }
        self.seen.lock().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Writable for Gated {
    fn wait(&mut self) -> std::io::Result<()> {
        unreachable!("it blocks")
    }
}

impl Reader {
    fn start() -> Self {
        let writer = Gated::default();
        Self { owner: Owner::start(writer.clone()).unwrap(), writer }
    }

    fn set(&self, gate: Gate) {
        *self.writer.gate.0.lock().unwrap() = gate;
        self.writer.gate.1.notify_all();
    }
}

impl contract::Destination for Reader {
    type Sink = Stdout;

    fn sink(&self) -> Stdout {
        Stdout { owner: self.owner.clone(), on_error: OnError::Wait, most: None, look: None }
    }

    async fn arrived(&self) -> Vec<Arrived> {
        let seen = self.writer.seen.lock().unwrap();
        std::str::from_utf8(&seen).unwrap().lines().map(contract::of_line).collect()
    }

    fn poisoned(&self, _: Event) -> Result<Event, Cannot> {
        Err(Cannot("a pipe takes every line"))
    }

    async fn lose_answers(&self) -> Result<(), Cannot> {
        Err(Cannot("the answer of a pipe is the end of the system call"))
    }

    async fn stand_still(&self) -> Result<(), Cannot> {
        self.set(Gate::Closed);
        Ok(())
    }

    async fn stumble(&self) -> Result<(), Cannot> {
        self.set(Gate::Room(10_001));
        Ok(())
    }

    async fn hold_back(&self) -> Result<(), Cannot> {
        self.stand_still().await
    }

    async fn go_away(&self) -> Result<&'static str, Cannot> {
        Err(Cannot("a reader that has gone does not come back: the program ends"))
    }

    async fn recover(&self) {
        self.set(Gate::Open);
    }
}

#[tokio::test]
async fn it_keeps_the_contract_of_sinks() {
    contract::check(&Reader::start()).await;
}

#[tokio::test]
async fn a_delivery_that_nobody_waits_for_ends_its_line_and_writes_no_other() {
    let reader = Reader::start();
    let mut stdout = contract::Destination::sink(&reader);
    reader.set(Gate::Room(10));
    let batch = contract::events(0..9);
    let torn = tokio::time::timeout(Duration::from_millis(30), stdout.deliver(&batch)).await;
    assert!(torn.is_err());
    reader.set(Gate::Open);
    stdout.deliver(&batch[1..2]).await.unwrap();
    assert_eq!(contract::Destination::arrived(&reader).await.len(), 2, "the torn one and the next");
}

#[test]
fn all_sinks_on_stdout_have_one_owner() {
    let (one, two) = (Stdout::new(OnError::Wait).unwrap(), Stdout::new(OnError::Fail).unwrap());
    assert!(one.owner.is_same(&two.owner));
}
