//! One client at a time for each Kafka sink of this process. The client of a sink that a reload replaced may still be at work on its
//! thread: with transactions, a producer that it opens after the new client's would shut the new one out; without, what it still
//! sends could arrive behind newer events.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The ids that have a client.
static TAKEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// How often it is looked whether the client before has gone.
const LOOK: Duration = Duration::from_millis(50);

/// The right to be the one client of an id, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(String);

impl Turn {
    /// Waits for the client before, which has been told that it is retired. `None`: it has not ended in time, or the one who waits
    /// is retired too. Blocks.
    pub(super) fn take(id: &str, patience: Duration, retired: &CancellationToken) -> Option<Self> {
        let deadline = Instant::now() + patience;
        while !TAKEN.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned()) {
            if Instant::now() >= deadline || retired.is_cancelled() {
                return None;
            }
            std::thread::sleep(LOOK);
        }
        Some(Self(id.to_owned()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TAKEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_client_at_a_time() {
        let working = CancellationToken::new();
        let take = |id: &str, retired: &CancellationToken| Turn::take(id, Duration::from_millis(10), retired);
        let first = take("one", &working).unwrap();
        assert!(take("one", &working).is_none() && take("two", &working).is_some());
        let waiting =
            std::thread::spawn(|| Turn::take("one", Duration::from_secs(60), &CancellationToken::new()).is_some());
        drop(first);
        assert!(waiting.join().unwrap(), "whoever waits is next");
        let _taken = take("one", &working).unwrap();
        let gone = CancellationToken::new();
        gone.cancel();
        assert!(Turn::take("one", Duration::from_secs(60), &gone).is_none(), "who is retired does not wait");
    }
}
