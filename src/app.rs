//! The only place that names concrete parts and starts tasks.

use crate::datto::error::ClientError;
use crate::deliver::runner::RunnerError;
use crate::journal::JournalError;

pub mod account;
pub mod assemble;
pub mod demo;
pub mod egress;
pub mod engine;
pub mod explain;
pub mod fetch;
pub mod files;
pub mod held;
pub mod keep;
pub mod names;
pub mod online;
pub mod parts;
pub mod pipe;
pub mod plan;
pub mod prepare;
pub mod probe;
pub mod progress;
pub mod reload;
pub mod running;
#[cfg(test)]
pub(crate) mod seams;
pub mod simulated;
pub mod sinks;
pub mod stop;
pub mod summary;
pub mod supervise;
pub mod surroundings;
pub mod tail;
#[cfg(test)]
pub(crate) mod testing;
mod upkeep;
pub mod verify;

/// Why the program ended, by its exit code (contract.md section 1).
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Code 2: the configuration cannot be used as it is.
    #[error("{0}")]
    Configuration(String),
    /// Code 1: something could not be done.
    #[error("{0}")]
    Failed(String),
    /// Code 1: the journal.
    #[error("the journal cannot be used")]
    Journal(#[from] JournalError),
    /// Code 1: the API.
    #[error("account {account}")]
    Account {
        /// Its configured name.
        account: String,
        /// What the API answered.
        source: ClientError,
    },
    /// Code 3: the stop deadline passed.
    #[error("not everything could be finished within the shutdown timeout: what is undelivered stays in the journal")]
    Deadline,
    /// Code 0: the reader of stdout has gone.
    #[error("the reader closed the pipe")]
    Closed,
}

impl AppError {
    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::Failed(_) | Self::Journal(_) | Self::Account { .. } => 1,
            Self::Configuration(_) => 2,
            Self::Deadline => 3,
        }
    }
}

impl From<RunnerError> for AppError {
    fn from(error: RunnerError) -> Self {
        match error {
            RunnerError::Closed => Self::Closed,
            RunnerError::Journal(error) => Self::Journal(error),
        }
    }
}
