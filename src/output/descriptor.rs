//! Writing to a descriptor of this process that may be non-blocking: a full pipe is waited for, and the place is kept to the byte.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, poll};

/// Bytes handed over at once: small enough that progress is known closely.
const CHUNK_BYTES: usize = 64 * 1024;

/// A writer that says when it takes more.
pub trait Writable: Write {
    /// Waits after a write that found no room (`WouldBlock`) until the next one may find some, or fails.
    fn wait(&mut self) -> std::io::Result<()>;
}

/// Standard output or standard error, without the buffer of the standard library that would hide what was accepted.
#[derive(Debug)]
pub struct Descriptor(File);

impl Descriptor {
    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.0.metadata().is_ok_and(|metadata| metadata.is_file())
    }

    /// The process's standard output.
    pub fn stdout() -> std::io::Result<Self> {
        Self::of(std::io::stdout().as_fd())
    }

    /// The process's standard error.
    pub fn stderr() -> std::io::Result<Self> {
        Self::of(std::io::stderr().as_fd())
    }

    fn of(descriptor: BorrowedFd<'_>) -> std::io::Result<Self> {
        Ok(Self(File::from(descriptor.try_clone_to_owned()?)))
    }
}

impl Write for Descriptor {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Writable for Descriptor {
    fn wait(&mut self) -> std::io::Result<()> {
        match poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None) {
            // A reader that has gone ends the wait too: the next write finds out.
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Writes one chunk of `bytes` from `place` on, waits for room if there is none, and moves `place` by what was accepted.
pub fn write_chunk(target: &mut impl Writable, bytes: &[u8], place: &mut usize) -> std::io::Result<()> {
    let rest = bytes.get(*place..).unwrap_or_default();
    let chunk = rest.get(..CHUNK_BYTES).unwrap_or(rest);
    match target.write(chunk) {
        Ok(0) if !chunk.is_empty() => Err(ErrorKind::WriteZero.into()),
        Ok(written) => {
            *place = place.saturating_add(written);
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => target.wait(),
        Err(error) => Err(error),
    }
}

/// Writes all of `bytes` from `place` on. After an error `place` says how far they were accepted.
pub fn write_from(target: &mut impl Writable, bytes: &[u8], place: &mut usize) -> std::io::Result<()> {
    while *place < bytes.len() {
        write_chunk(target, bytes, place)?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::VecDeque;
    use std::io::Read;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;

    /// What a scripted writer does with one write.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Act {
        /// Takes at most so many bytes.
        Take(usize),
        /// Fails.
        Fail(ErrorKind),
        /// Panics.
        Panic,
    }

    /// Follows a script, then takes everything.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Scripted {
        pub(crate) script: Arc<Mutex<VecDeque<Act>>>,
        pub(crate) seen: Arc<Mutex<Vec<u8>>>,
        pub(crate) waits: Arc<Mutex<usize>>,
    }

    impl Scripted {
        pub(crate) fn new(script: impl IntoIterator<Item = Act>) -> Self {
            Self { script: Arc::new(Mutex::new(script.into_iter().collect())), ..Self::default() }
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.seen.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let act = self.script.lock().unwrap().pop_front();
            let taken = match act {
                None => bytes.len(),
                Some(Act::Take(most)) => most.min(bytes.len()),
                Some(Act::Fail(kind)) => return Err(kind.into()),
                Some(Act::Panic) => panic!("on purpose"),
            };
            self.seen.lock().unwrap().extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Writable for Scripted {
        fn wait(&mut self) -> std::io::Result<()> {
            *self.waits.lock().unwrap() += 1;
            Ok(())
        }
    }

    #[test]
    fn the_place_is_kept_over_every_kind_of_stumble() {
        use ErrorKind::{BrokenPipe, Interrupted, StorageFull, WouldBlock};
        let acts = [Act::Take(2), Act::Fail(WouldBlock), Act::Take(1), Act::Fail(Interrupted), Act::Fail(StorageFull)];
        let mut target = Scripted::new(acts.into_iter().chain([Act::Take(3), Act::Fail(BrokenPipe)]));
        let mut place = 0;
        let full = write_from(&mut target, b"0123456789", &mut place).unwrap_err();
        assert_eq!((full.kind(), place), (StorageFull, 3));
        let gone = write_from(&mut target, b"0123456789", &mut place).unwrap_err();
        assert_eq!((gone.kind(), place), (BrokenPipe, 6));
        write_from(&mut target, b"0123456789", &mut place).unwrap();
        assert_eq!((target.text().as_str(), *target.waits.lock().unwrap()), ("0123456789", 1));
    }

    #[test]
    fn a_full_non_blocking_pipe_is_waited_for() {
        let (reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
        writer.set_nonblocking(true).unwrap();
        let mut reader = File::from(std::os::fd::OwnedFd::from(reader));
        let mut target = Descriptor(File::from(std::os::fd::OwnedFd::from(writer)));
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let expected = bytes.clone();
        let writing = std::thread::spawn(move || write_from(&mut target, &bytes, &mut 0));
        std::thread::sleep(Duration::from_millis(50));
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        writing.join().unwrap().unwrap();
        assert!(read == expected);
    }
}
