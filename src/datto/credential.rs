//! Where an account's key and secret come from, read anew at every login.

use crate::secret::Secret;

/// API key and secret key of an API user.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// API key (`username` of the password grant).
    pub key: Secret,
    /// API secret key (`password` of the password grant).
    pub secret: Secret,
}

/// Reads the credentials. Asked at each login, so that a replaced secret file is used at the next one; it must be quick.
pub trait CredentialSource: Send + Sync + 'static {
    /// The credentials as they are now.
    fn credentials(&self) -> Result<Credentials, CredentialError>;
}

/// The credentials cannot be read now; the text names the place, never the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the API key or secret: {0}")]
pub struct CredentialError(pub String);

/// Credentials that never change count as their own source.
impl CredentialSource for Credentials {
    fn credentials(&self) -> Result<Credentials, CredentialError> {
        Ok(self.clone())
    }
}
