//! A thread that owns a value whose calls block: the async runtime never waits in them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

/// The owner gets a turn after each silence of this length.
const IDLE: Duration = Duration::from_millis(500);

type Job<T> = Box<dyn FnOnce(&mut T) + Send>;

/// A value on a thread of its own. The thread ends after its work in hand once this is dropped; nobody waits for it.
#[derive(Debug)]
pub(super) struct Dedicated<T> {
    jobs: SyncSender<Job<T>>,
}

/// The work was not done: it panicked, which is a fault of the program. The next work finds a new value.
#[derive(Debug, thiserror::Error)]
#[error("the Kafka client failed for a reason of its own, and a new one is made")]
pub(super) struct Gone;

impl<T: Send + 'static> Dedicated<T> {
    /// Starts the thread with a value of `make`, which is asked for another one after a panic; `idle` is called whenever no work comes.
    pub(super) fn start(name: &str, make: impl Fn() -> T + Send + 'static, idle: fn(&mut T)) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(1);
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || while serve(make(), &queue, idle).is_err() {})?;
        Ok(Self { jobs })
    }

    /// Does `work` on the thread. If this future is dropped, the work goes on, and the next work waits for it.
    pub(super) async fn call<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R, Gone> {
        let (done, outcome) = oneshot::channel();
        let mut job: Job<T> = Box::new(move |value| {
            // The caller may have been stopped meanwhile; then nobody waits for the outcome.
            drop(done.send(work(value)));
        });
        // The queue is full only while work whose caller went away is still going on.
        loop {
            match self.jobs.try_send(job) {
                Ok(()) => break,
                Err(std::sync::mpsc::TrySendError::Full(back)) => {
                    job = back;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(std::sync::mpsc::TrySendError::Disconnected(_)) => return Err(Gone),
            }
        }
        outcome.await.map_err(|_| Gone)
    }
}

/// Serves until nobody is left who could ask. An error: the work panicked.
fn serve<T>(mut value: T, queue: &Receiver<Job<T>>, idle: fn(&mut T)) -> std::thread::Result<()> {
    loop {
        match queue.recv_timeout(IDLE) {
            Ok(job) => catch_unwind(AssertUnwindSafe(|| job(&mut value)))?,
            Err(RecvTimeoutError::Timeout) => catch_unwind(AssertUnwindSafe(|| idle(&mut value)))?,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_goes_on_when_its_caller_is_dropped_and_the_next_waits_for_it() {
        let counter = Dedicated::start("counter", || 0_u32, |_| ()).unwrap();
        let slow = counter.call(|count| {
            std::thread::sleep(Duration::from_millis(200));
            *count += 1;
        });
        assert!(tokio::time::timeout(Duration::from_millis(5), slow).await.is_err());
        assert_eq!(counter.call(|count| *count).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_panic_is_told_and_the_next_work_finds_a_new_value() {
        let value = Dedicated::start("panics", || 7, |_| ()).unwrap();
        assert!(value.call(|number: &mut i32| *number = 8).await.is_ok());
        assert!(value.call(|_| panic!("on purpose")).await.is_err());
        assert_eq!(value.call(|number| *number).await.unwrap(), 7);
    }
}
