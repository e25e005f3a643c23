//! References to secrets: `{ env = … }`, `{ file = … }`, `{ credential = … }`. Read when needed, never at load.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::config::text;
use crate::secret::Secret;

/// Largest file of a secret; a certificate chain would not be one.
const MAX_BYTES: u64 = 64 * 1024;
/// Where systemd puts the credentials of a unit (`LoadCredential=`).
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Environment variables. The process has one; tests bring their own.
pub trait Environment {
    /// The value of a variable, if it is set.
    fn variable(&self, name: &str) -> Option<OsString>;
}

/// Where a secret is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRef {
    /// The key that refers to it, e.g. `accounts.acme.api_key`.
    pub key: String,
    /// Where it is.
    pub origin: Origin,
}

/// The three places of secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An environment variable.
    Env(String),
    /// A file; a relative path counts from the working directory.
    File(PathBuf),
    /// A file in `$CREDENTIALS_DIRECTORY`, by name.
    Credential(String),
}

/// A setting that may be a secret or not; a text written into the file is treated as one too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretText {
    /// Written into the file.
    Text(Secret),
    /// To be read.
    Reference(SecretRef),
}

/// Why a secret cannot be had. No variant holds any part of one.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// `{ credential = … }` outside a systemd unit with credentials.
    #[error("$CREDENTIALS_DIRECTORY is not set, so there is no credential {0}")]
    NoCredentials(String),
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing but white space.
    #[error("{0} is empty")]
    Empty(Origin),
    /// Not UTF-8, or over 64 KiB.
    #[error("{0} is not a text of at most 64 KiB")]
    NotText(Origin),
}

impl SecretRef {
    /// Reads it now; surrounding white space and a byte order mark are trimmed.
    pub fn read(&self, environment: &dyn Environment) -> Result<Secret, SecretError> {
        let bytes = match &self.origin {
            Origin::Env(name) => {
                let value = environment.variable(name).ok_or_else(|| SecretError::Unset(name.clone()))?;
                value.into_encoded_bytes()
            }
            Origin::File(path) => read_file(path)?,
            Origin::Credential(name) => read_file(&credential(name, environment)?)?,
        };
        let too_large = u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES);
        let text = text::decode(bytes).ok().filter(|_| !too_large);
        let secret = Secret::new(&text.ok_or_else(|| SecretError::NotText(self.origin.clone()))?);
        if secret.expose().is_empty() {
            return Err(SecretError::Empty(self.origin.clone()));
        }
        Ok(secret)
    }

    /// Whether it lies in a file of its own that every user of the machine may read.
    pub fn is_readable_by_others(&self) -> bool {
        match &self.origin {
            Origin::File(path) => others_may_read(path),
            Origin::Env(_) | Origin::Credential(_) => false,
        }
    }
}

impl SecretText {
    /// Its reference, if it is one.
    pub fn reference(&self) -> Option<&SecretRef> {
        match self {
            Self::Text(_) => None,
            Self::Reference(reference) => Some(reference),
        }
    }

    /// The text itself.
    pub fn read(&self, environment: &dyn Environment) -> Result<Secret, SecretError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Reference(reference) => reference.read(environment),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Credential(name) => write!(f, "the credential {name}"),
        }
    }
}

fn credential(name: &str, environment: &dyn Environment) -> Result<PathBuf, SecretError> {
    let directory = environment.variable(CREDENTIALS_DIRECTORY).filter(|value| !value.is_empty());
    let directory = directory.ok_or_else(|| SecretError::NoCredentials(name.to_owned()))?;
    Ok(Path::new(&directory).join(name))
}

fn read_file(path: &Path) -> Result<Vec<u8>, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

#[cfg(unix)]
fn others_may_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    const READ_BY_OTHERS: u32 = 0o004;
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & READ_BY_OTHERS != 0)
}

#[cfg(not(unix))]
fn others_may_read(_path: &Path) -> bool {
    false
}
