//! Tests of the whole way from a file to settings or diagnostics.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::config::load::{Loaded, load};
use crate::config::secrets::Environment;
use crate::diagnostic::Diagnostic;

mod bad_files;
mod examples;
mod folder;
mod mapping;
mod otlp_headers;
mod schema;
mod secret_values;
mod settings;

/// An environment of its own.
struct Variables(HashMap<&'static str, OsString>);

impl Environment for Variables {
    fn variable(&self, name: &str) -> Option<OsString> {
        self.0.get(name).cloned()
    }
}

/// A file of the package.
fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Writes files into a directory of their own and loads the first.
fn load_files(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Loaded, Vec<Diagnostic>>) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let loaded = load(&directory.path().join(files[0].0));
    (directory, loaded)
}

/// Loads a text that must be good.
fn good(text: &str) -> Loaded {
    let (_directory, loaded) = load_files(&[("vintner.toml", text)]);
    loaded.unwrap_or_else(|found| panic!("{}", told(&found, "")))
}

/// Diagnostics as printed, without the directory.
fn told(found: &[Diagnostic], directory: &str) -> String {
    let all: Vec<String> = found.iter().map(|diagnostic| format!("{diagnostic}\n")).collect();
    all.join("\n").replace(&format!("{directory}/"), "")
}
