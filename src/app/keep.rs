//! The client's memory, kept in the journal: a restart must not forget that it was told to be silent.

use std::future::Future;
use std::pin::Pin;

use crate::datto::memory::{Memory, MemoryError};
use crate::diagnostic::causes;
use crate::journal::JournalError;
use crate::journal::sqlite::Journal;

/// The journal as the client's memory.
#[derive(Clone, Debug)]
pub struct Kept(pub Journal);

impl Memory for Kept {
    fn recall<'a>(
        &'a self,
        key: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Option<String>, MemoryError>> + Send + 'a>> {
        Box::pin(async move { self.0.recall(key).await.map_err(|error| unavailable(&error)) })
    }

    fn remember(
        &self,
        entries: Vec<(String, String)>,
    ) -> Pin<Box<dyn Future<Output = Result<(), MemoryError>> + Send + '_>> {
        Box::pin(async move { self.0.remember(entries).await.map_err(|error| unavailable(&error)) })
    }
}

fn unavailable(error: &JournalError) -> MemoryError {
    MemoryError::Unavailable(causes::line(error))
}
