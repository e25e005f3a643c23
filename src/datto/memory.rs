//! What the client must not forget over a restart: that it was told to be silent, and what it sent in the last minute.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

/// Keeps a few short texts over a restart. The journal stands behind it in production.
pub trait Memory: Send + Sync + 'static {
    /// The text last remembered under `key`. An empty text means that there is nothing to remember any more.
    fn recall<'a>(
        &'a self,
        key: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Option<String>, MemoryError>> + Send + 'a>>;

    /// Keeps these `(key, text)` pairs, all or none, until they are overwritten.
    fn remember(
        &self,
        entries: Vec<(String, String)>,
    ) -> Pin<Box<dyn Future<Output = Result<(), MemoryError>> + Send + '_>>;
}

/// Why something could not be recalled or remembered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// The store did not do it, in its words.
    #[error("the store of pauses and send times is not available: {0}")]
    Unavailable(String),
    /// What is stored cannot be read. It is never taken for "nothing": it may say that the client must be silent.
    #[error("what is stored under `{0}` cannot be read")]
    Damaged(String),
}

/// A memory that lasts as long as the process: for `fetch`, `demo` and tests.
#[derive(Debug, Default)]
pub struct ProcessMemory(Mutex<HashMap<String, String>>);

impl Memory for ProcessMemory {
    fn recall<'a>(
        &'a self,
        key: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Option<String>, MemoryError>> + Send + 'a>> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        Box::pin(async move { Ok(found) })
    }

    fn remember(
        &self,
        entries: Vec<(String, String)>,
    ) -> Pin<Box<dyn Future<Output = Result<(), MemoryError>> + Send + '_>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(entries);
        Box::pin(async { Ok(()) })
    }
}
