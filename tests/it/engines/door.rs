//! A door in front of the broker. It passes on what clients and broker say to each other, knows the requests that begin and end a
//! producer's work when they come by, and can hold one back or fall shut at that very moment.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::broker::Broker;
use crate::workplace::wait_for;

/// The number of the request `EndTxn` in Kafka's protocol.
const END_TXN: i16 = 26;
/// The number of the request `InitProducerId`, by which a producer shuts out the older ones.
const INIT_PRODUCER_ID: i16 = 22;
/// From this version on the request and its answer have other forms; the client library asks for earlier ones.
const OTHER_FORM_SINCE: i16 = 3;
/// Far above any message of these tests.
const MOST_BYTES: usize = 64 << 20;

/// When the door falls shut: before, at or after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// A commit was asked for, and the broker has not heard of it.
    Before,
    /// The broker has just heard of it.
    At,
    /// The broker has committed and said so, and the client has not heard of it.
    After,
}

/// The door; clients come to `endpoint`.
pub(crate) struct Door {
    /// `host:port`.
    pub(crate) endpoint: String,
    shared: Arc<Shared>,
}

struct Shared {
    broker: u16,
    state: Mutex<State>,
    fell: Condvar,
}

#[derive(Default)]
struct State {
    /// What it waits for.
    moment: Option<Moment>,
    is_shut: bool,
    is_gone: bool,
    streams: Vec<TcpStream>,
    hold: Hold,
}

/// Whether the next producer's first request is held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Hold {
    /// All pass.
    #[default]
    None,
    /// The next one will be.
    Next,
    /// One is.
    Held,
}

/// One client's connection: the answer that the client must not get.
type Withheld = Arc<Mutex<Option<i32>>>;

impl Door {
    /// Opens the door of a broker.
    pub(crate) fn open(broker: &Broker) -> Self {
        let [behind, at] = broker.watched;
        // The one before is about to free it.
        let listener = wait_for(Duration::from_secs(10), || TcpListener::bind(("127.0.0.1", at)).ok());
        let shared = Arc::new(Shared { broker: behind, state: Mutex::default(), fell: Condvar::new() });
        let for_clients = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if for_clients.state().is_gone {
                    break;
                }
                // A client that comes while the door is shut, or whose broker is gone, is sent away.
                drop(for_clients.let_in(client));
            }
        });
        Self { endpoint: format!("127.0.0.1:{at}"), shared }
    }

    /// Waits for the moment, at which the door falls shut.
    pub(crate) fn falls_shut(&self, moment: Moment, patience: Duration) {
        let mut state = self.shared.state();
        state.moment = Some(moment);
        let waited = self.shared.fell.wait_timeout_while(state, patience, |state| !state.is_shut);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(state.is_shut, "no transaction was committed");
    }

    /// Holds the first request of the next producer back, until [`Door::let_pass`], and waits for it.
    pub(crate) fn holds_the_next_producer(&self, patience: Duration) {
        let mut state = self.shared.state();
        state.hold = Hold::Next;
        let waited = self.shared.fell.wait_timeout_while(state, patience, |state| state.hold != Hold::Held);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        assert_eq!(state.hold, Hold::Held, "no producer came");
    }

    /// What is held back goes on its way, if its sender still waits for an answer.
    pub(crate) fn let_pass(&self) {
        self.shared.state().hold = Hold::None;
        self.shared.fell.notify_all();
    }

    /// Opens it again.
    pub(crate) fn open_again(&self) {
        self.shared.state().is_shut = false;
    }
}

impl Drop for Door {
    /// Frees the port for the next one.
    fn drop(&mut self) {
        self.shared.state().is_gone = true;
        drop((TcpStream::connect(&self.endpoint), self.shared.fall_shut()));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn let_in(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        let mut state = self.state();
        if state.is_shut {
            return Ok(());
        }
        let broker = TcpStream::connect(("127.0.0.1", self.broker))?;
        for stream in [&client, &broker] {
            stream.set_nodelay(true)?;
            state.streams.push(stream.try_clone()?);
        }
        drop(state);
        let withheld = Withheld::default();
        let ways = [(client.try_clone()?, broker.try_clone()?, true), (broker, client, false)];
        for (from, to, is_asking) in ways {
            let (shared, withheld) = (self.clone(), withheld.clone());
            std::thread::spawn(move || {
                let passed = if is_asking {
                    shared.pass_requests(&from, &to, &withheld)
                } else {
                    shared.pass_answers(&from, &to, &withheld)
                };
                // Whichever side goes away first, the other learns of it.
                drop((passed, from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
            });
        }
        Ok(())
    }

    fn pass_requests(&self, from: &TcpStream, to: &TcpStream, withheld: &Withheld) -> io::Result<()> {
        loop {
            let request = frame(from)?;
            if short(&request, 0) == INIT_PRODUCER_ID && self.is_to_be_held() {
                self.wait_to_pass(from)?;
            }
            let moment = self.state().moment.filter(|_| is_commit(&request));
            match moment {
                Some(Moment::Before) => return self.fall_shut(),
                Some(Moment::After) => {
                    *withheld.lock().unwrap_or_else(PoisonError::into_inner) = Some(number(&request, 4));
                    pass(to, &request)?;
                }
                Some(Moment::At) => {
                    pass(to, &request)?;
                    return self.fall_shut();
                }
                None => pass(to, &request)?,
            }
        }
    }

    fn pass_answers(&self, from: &TcpStream, to: &TcpStream, withheld: &Withheld) -> io::Result<()> {
        loop {
            let answer = frame(from)?;
            let is_withheld = *withheld.lock().unwrap_or_else(PoisonError::into_inner) == Some(number(&answer, 0));
            if is_withheld {
                // Behind the number and the time for which clients are to hold back. An error is no commit: the client asks again.
                let error = short(&answer, 8);
                if error == 0 {
                    return self.fall_shut();
                }
                *withheld.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
            pass(to, &answer)?;
        }
    }

    fn is_to_be_held(&self) -> bool {
        let mut state = self.state();
        let is_next = state.hold == Hold::Next;
        if is_next {
            state.hold = Hold::Held;
            self.fell.notify_all();
        }
        is_next
    }

    /// An error: the sender has hung up.
    fn wait_to_pass(&self, from: &TcpStream) -> io::Result<()> {
        from.set_nonblocking(true)?;
        while self.state().hold == Hold::Held {
            match from.peek(&mut [0]) {
                Ok(0) => return Err(io::ErrorKind::ConnectionAborted.into()),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        from.set_nonblocking(false)
    }

    fn fall_shut(&self) -> io::Result<()> {
        let mut state = self.state();
        state.moment = None;
        state.is_shut = true;
        for stream in state.streams.drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
        self.fell.notify_all();
        Ok(())
    }
}

/// The next message: its length and itself.
fn frame(mut from: &TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).expect("a length");
    assert!(length <= MOST_BYTES, "no message of Kafka's protocol");
    let mut message = vec![0; length];
    from.read_exact(&mut message)?;
    Ok(message)
}

fn pass(mut to: &TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).expect("a length").to_be_bytes();
    to.write_all(&[&length, message].concat())
}

/// Whether a request asks to commit a transaction, not to abort it.
fn is_commit(request: &[u8]) -> bool {
    if short(request, 0) != END_TXN {
        return false;
    }
    assert!(short(request, 2) < OTHER_FORM_SINCE, "a form of EndTxn that this door does not know");
    request.last() == Some(&1)
}

fn short(message: &[u8], at: usize) -> i16 {
    i16::from_be_bytes(message[at..at + 2].try_into().expect("two bytes"))
}

/// The number by which an answer is known to belong to its request.
fn number(message: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(message[at..at + 4].try_into().expect("four bytes"))
}
