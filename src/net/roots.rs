//! Files of certificates to trust.

use std::path::{Path, PathBuf};

use reqwest::Certificate;

/// Why a file of certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// It cannot be read.
    #[error("{path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds something else than certificates in PEM.
    #[error("{path} holds no usable certificate: {source}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: reqwest::Error,
    },
    /// It holds nothing in PEM.
    #[error("{0} holds no certificate")]
    Empty(PathBuf),
}

/// The certificates of a PEM file, at least one.
pub fn read(path: &Path) -> Result<Vec<Certificate>, RootsError> {
    let pem = std::fs::read(path).map_err(|source| RootsError::Unreadable { path: path.to_owned(), source })?;
    let roots =
        Certificate::from_pem_bundle(&pem).map_err(|source| RootsError::Unusable { path: path.to_owned(), source })?;
    if roots.is_empty() { Err(RootsError::Empty(path.to_owned())) } else { Ok(roots) }
}
