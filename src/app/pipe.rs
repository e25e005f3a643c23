//! `vintner normalize`: records as Datto sends them, one JSON object a line, become events: on all cores, in input order.
//!
//! A reader deals chunks of lines to the workers in turn, and the writer takes their results in the same turn. So the order is that of
//! the input, and at most a few chunks for each worker are in memory.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::app::AppError;
use crate::app::pipe::line::{Mapper, Outcome};
use crate::output::descriptor::{Writable, write_from};

pub mod line;

/// Longest line, in bytes; the API's records are a few KiB each.
const MAX_LINE: usize = 4 << 20;
/// Lines of a chunk.
const CHUNK_LINES: usize = 128;
/// Bytes after which a chunk is full.
const CHUNK_BYTES: usize = 1 << 20;
/// Chunks that wait in front of a worker and behind it.
const WAITING: usize = 2;

/// How many lines became what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events written.
    pub events: u64,
    /// Lines of which no event can be made.
    pub bad: u64,
    /// Records that the configuration gives to no organization.
    pub left_out: u64,
}

/// A line of the input, counted from 1.
struct Line {
    number: u64,
    text: Result<Vec<u8>, &'static str>,
}

/// What the reader deals.
enum Dealt {
    Lines(Vec<Line>),
    /// The input ended, or could not be read on.
    End(std::io::Result<()>),
}

/// What a worker made of it.
enum Made {
    Lines(Vec<(u64, Outcome)>),
    End(std::io::Result<()>),
}

/// Reads `input` to its end and writes an event for each record. `report` gets the number of a bad line and the reason.
pub fn run(
    mapper: Mapper,
    workers: usize,
    input: impl Read + Send + 'static,
    output: &mut impl Writable,
    mut report: impl FnMut(u64, &str),
) -> Result<Totals, AppError> {
    let mapper = Arc::new(mapper);
    let (mut dealers, mut makers) = (Vec::new(), Vec::new());
    for _ in 0..workers.max(1) {
        let (dealer, dealt) = sync_channel(WAITING);
        let (maker, made) = sync_channel(WAITING);
        let mapper = Arc::clone(&mapper);
        thread("normalize", move || work(&mapper, &dealt, &maker))?;
        dealers.push(dealer);
        makers.push(made);
    }
    thread("input", move || deal(input, &dealers))?;
    let mut totals = Totals::default();
    for maker in makers.iter().cycle() {
        let made = maker.recv().map_err(|_| AppError::Failed("a thread of the normalizer ended early".to_owned()))?;
        match made {
            Made::Lines(lines) => write(lines, output, &mut totals, &mut report)?,
            Made::End(Ok(())) => break,
            Made::End(Err(error)) => return Err(AppError::Failed(format!("standard input cannot be read: {error}"))),
        }
    }
    Ok(totals)
}

fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<(), AppError> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    started.map(drop).map_err(|error| AppError::Failed(format!("no thread can be started: {error}")))
}

fn write(
    lines: Vec<(u64, Outcome)>,
    output: &mut impl Writable,
    totals: &mut Totals,
    report: &mut impl FnMut(u64, &str),
) -> Result<(), AppError> {
    let mut text = Vec::new();
    let mut bad = Vec::new();
    for (number, outcome) in lines {
        match outcome {
            Outcome::Events(events) => {
                for event in events {
                    totals.events = totals.events.saturating_add(1);
                    text.extend_from_slice(event.as_bytes());
                    text.push(b'\n');
                }
            }
            Outcome::LeftOut => totals.left_out = totals.left_out.saturating_add(1),
            Outcome::Bad(reason) => {
                totals.bad = totals.bad.saturating_add(1);
                bad.push((number, reason));
            }
        }
    }
    let written = write_from(output, &text, &mut 0);
    written.map_err(|error| {
        if error.kind() == ErrorKind::BrokenPipe {
            AppError::Closed
        } else {
            AppError::Failed(format!("standard output cannot be written: {error}"))
        }
    })?;
    bad.iter().for_each(|(number, reason)| report(*number, reason));
    Ok(())
}

/// Maps chunk after chunk until the input ends or nobody takes the results.
fn work(mapper: &Mapper, dealt: &Receiver<Dealt>, maker: &SyncSender<Made>) {
    let mut known = line::Known::default();
    while let Ok(dealt) = dealt.recv() {
        let made = match dealt {
            Dealt::End(end) => Made::End(end),
            Dealt::Lines(lines) => {
                let map = |line: Line| {
                    let outcome = match line.text {
                        Ok(text) => mapper.map(&text, &mut known),
                        Err(reason) => Outcome::Bad(reason.to_owned()),
                    };
                    (line.number, outcome)
                };
                Made::Lines(lines.into_iter().map(map).collect())
            }
        };
        if maker.send(made).is_err() {
            return;
        }
    }
}

/// Deals the lines of the input to the workers in turn.
fn deal(input: impl Read, dealers: &[SyncSender<Dealt>]) {
    let mut input = BufReader::with_capacity(256 << 10, input);
    let mut number = 0;
    for dealer in dealers.iter().cycle() {
        let (lines, end) = chunk(&mut input, &mut number);
        let is_gone = !lines.is_empty() && dealer.send(Dealt::Lines(lines)).is_err();
        if is_gone {
            return;
        }
        if let Some(end) = end {
            // The workers before this one had their last chunk: the writer comes to the end in its turn.
            for dealer in dealers {
                if dealer.send(Dealt::End(copy(&end))).is_err() {
                    return;
                }
            }
            return;
        }
    }
}

/// The same end for another worker.
fn copy(end: &std::io::Result<()>) -> std::io::Result<()> {
    end.as_ref().copied().map_err(|error| std::io::Error::new(error.kind(), error.to_string()))
}

/// The next lines: as many as are there in full, so that a slow input is not waited for. Blank lines are skipped.
fn chunk(input: &mut BufReader<impl Read>, number: &mut u64) -> (Vec<Line>, Option<std::io::Result<()>>) {
    let (mut lines, mut bytes) = (Vec::new(), 0_usize);
    loop {
        *number = number.saturating_add(1);
        let text = match next_line(input) {
            Ok(Some(text)) => text,
            Ok(None) => return (lines, Some(Ok(()))),
            Err(error) => return (lines, Some(Err(error))),
        };
        let is_blank = text.as_ref().is_ok_and(|text| text.trim_ascii().is_empty());
        if !is_blank {
            bytes = bytes.saturating_add(text.as_ref().map_or(0, Vec::len));
            lines.push(Line { number: *number, text });
        }
        let is_full = lines.len() >= CHUNK_LINES || bytes >= CHUNK_BYTES;
        if is_full || (!lines.is_empty() && !input.buffer().contains(&b'\n')) {
            return (lines, None);
        }
    }
}

/// The next line without its end; one that is too long is passed over. `None`: the input ended.
fn next_line(input: &mut BufReader<impl Read>) -> std::io::Result<Option<Result<Vec<u8>, &'static str>>> {
    let mut text = Vec::new();
    let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
    if input.by_ref().take(most.saturating_add(1)).read_until(b'\n', &mut text)? == 0 {
        return Ok(None);
    }
    if text.last() == Some(&b'\n') {
        text.pop();
        return Ok(Some(Ok(text)));
    }
    if text.len() <= MAX_LINE {
        return Ok(Some(Ok(text)));
    }
    loop {
        text.clear();
        let read = input.by_ref().take(most).read_until(b'\n', &mut text)?;
        if read == 0 || text.last() == Some(&b'\n') {
            return Ok(Some(Err("the line is longer than 4 MiB")));
        }
    }
}

#[cfg(test)]
mod tests;
