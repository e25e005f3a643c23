//! Where a run is killed: at a drawn visit of one of the places where it waits for something outside, or at a drawn time.

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Counts the visits of a run, and stops it at one of them. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trap(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    left: Mutex<Option<u32>>,
    sprung: Notify,
}

impl Trap {
    /// The visit after `visits` more is never left.
    pub(crate) fn set(&self, visits: u32) {
        *self.left() = Some(visits);
    }

    /// Nothing is stopped any more.
    pub(crate) fn clear(&self) {
        *self.left() = None;
    }

    /// Ends once a visit is stopped.
    pub(crate) async fn sprung(&self) {
        self.0.sprung.notified().await;
    }

    /// A place where the run may be killed.
    pub(crate) async fn visit(&self) {
        let is_here = match &mut *self.left() {
            None => false,
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
        };
        if is_here {
            self.0.sprung.notify_one();
            pending::<()>().await;
        }
    }

    fn left(&self) -> std::sync::MutexGuard<'_, Option<u32>> {
        self.0.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
