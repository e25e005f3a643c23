//! Panics as errors: caught where one record or one task is at fault, logged without the data that caused them.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// A caught panic. Its text names the place in the program and never the panic's message, which may quote a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("vintner failed for a reason of its own (a panic at {place}): please report it")]
pub struct Panicked {
    place: String,
}

thread_local! {
    /// Where the last panic of this thread began.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on a panic is an error line in the log instead of the default text on stderr.
pub fn log_panics() {
    std::panic::set_hook(Box::new(log));
}

/// Does `work`; a panic in it is an error. What `work` was changing must not be used after a panic.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Panicked::of(payload.as_ref()))
}

/// Like [`caught`], for a future, which is dropped after a panic.
pub async fn caught_in<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|context| match caught(|| future.as_mut().poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

impl Panicked {
    /// The panic behind `payload`, which was raised on this thread or carries a [`Panicked`] of another one.
    pub fn of(payload: &(dyn Any + Send)) -> Self {
        if let Some(panicked) = payload.downcast_ref::<Self>() {
            return panicked.clone();
        }
        let place = PLACE.with_borrow_mut(Option::take);
        Self { place: place.unwrap_or_else(|| "a place that the log names".to_owned()) }
    }

    /// The panic that ended a task; `None` if something else did.
    pub fn of_task(ended: tokio::task::JoinError) -> Option<Self> {
        ended.try_into_panic().ok().map(|payload| Self::of(payload.as_ref()))
    }
}

/// Why a task did not come to its end; the error's own text would quote the panic's message.
pub fn why_ended(ended: tokio::task::JoinError) -> String {
    Panicked::of_task(ended).map_or_else(|| "it was stopped".to_owned(), |panicked| panicked.to_string())
}

fn log(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    // A fixed text cannot quote data; one that was put together can.
    let message = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("not shown: it may quote a record");
    let thread = std::thread::current();
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(place, thread = thread.name(), reason = message, backtrace, "panic");
    PLACE.set(Some(place));
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_an_error_line_with_its_place_and_without_its_data() {
        // The hook is the whole process's: the other tests keep the one that they have.
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            log(panic);
            before(panic);
        }));
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        let panicked = tracing::subscriber::with_default(subscriber, || {
            let value = std::hint::black_box("hunter2");
            caught(|| panic!("the record says {value}")).unwrap_err()
        });
        let log = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        let line: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
        assert_eq!((&line["level"], &line["fields"]["message"]), (&"ERROR".into(), &"panic".into()), "{log}");
        assert!(line["fields"]["place"].as_str().unwrap().contains("panics.rs:"), "{log}");
        assert!(panicked.to_string().contains("panics.rs:"), "{panicked}");
        assert!(!log.contains("hunter2") && !panicked.to_string().contains("hunter2"), "{log} {panicked}");
    }

    #[tokio::test]
    async fn a_future_that_panics_after_a_pause_is_an_error_and_another_is_not() {
        let panics = async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        };
        assert!(caught_in(panics).await.is_err());
        assert_eq!(caught_in(async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn a_panic_that_is_passed_on_to_another_thread_keeps_its_place() {
        let panicked = Panicked { place: "here".into() };
        let carried = panicked.clone();
        let thread = tokio::task::spawn_blocking(move || std::panic::resume_unwind(Box::new(carried)));
        assert_eq!(Panicked::of_task(thread.await.unwrap_err()), Some(panicked));
    }
}
