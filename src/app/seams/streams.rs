//! What the real file and stdout sinks write to in a simulation: writes of a part, no room, a full disk.

use std::fs::File;
use std::io::{Error, ErrorKind, Write};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use fastrand::Rng;

use crate::app::seams::receiver::Stumble;
use crate::output::descriptor::Writable;

/// What a program wrote.
pub(crate) type Bytes = Arc<Mutex<Vec<u8>>>;

/// `ENOSPC`.
const NO_SPACE: i32 = 28;

/// A standard output that takes a part of what it gets.
pub(crate) struct Pipe {
    bytes: Bytes,
    rng: Rng,
    next: Box<dyn FnMut() -> Option<Stumble> + Send>,
}

impl Pipe {
    pub(crate) fn new(bytes: Bytes, seed: u64, next: impl FnMut() -> Option<Stumble> + Send + 'static) -> Self {
        Self { bytes, rng: Rng::with_seed(seed), next: Box::new(next) }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let share = match (self.next)() {
            Some(Stumble::Nothing) => return Err(Error::from_raw_os_error(NO_SPACE)),
            Some(_) => return Err(ErrorKind::WouldBlock.into()),
            None if self.rng.u8(0..4) == 0 => self.rng.usize(0..=bytes.len()).max(1),
            None => bytes.len(),
        };
        let taken = bytes.get(..share).unwrap_or(bytes);
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Writable for Pipe {
    fn wait(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Appends to a file as a stumble says.
pub(crate) fn append(stumble: Option<Stumble>, file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    let part = match stumble {
        Some(Stumble::Nothing | Stumble::Later(_)) => 0,
        Some(Stumble::Part(percent)) => bytes.len() * percent / 100,
        Some(Stumble::LostAnswer) => bytes.len(),
        Some(Stumble::Panic) => panic!("the disk panics on demand"),
        _ => return file.write_all(bytes),
    };
    file.write_all(bytes.get(..part).unwrap_or(bytes))?;
    Err(Error::from_raw_os_error(NO_SPACE))
}

/// Keeps simulated time where it is as long as a thread outside of the runtime is at work.
pub(crate) struct Held {
    _end: Sender<()>,
}

/// Holds simulated time until what this returns is dropped.
pub(crate) fn hold_time() -> Held {
    let (end, ended) = channel::<()>();
    drop(tokio::task::spawn_blocking(move || ended.recv().is_ok()));
    Held { _end: end }
}
