//! Gives the program its commit and its target for `vintner --version`.
//!
//! Only a release build reads the commit, since whatever depends on it is compiled anew at every commit. `VINTNER_COMMIT` in the
//! environment names the commit of sources that come without git.

use std::path::Path;
use std::process::Command;

#[expect(clippy::disallowed_methods, reason = "a build script gets its input from the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn say(line: &str) {
    println!("cargo::{line}");
}

fn main() {
    say("rerun-if-changed=build.rs");
    say("rerun-if-env-changed=VINTNER_COMMIT");
    let target = variable("TARGET").unwrap_or_else(|| "unknown".to_owned());
    let is_release = variable("PROFILE").as_deref() == Some("release");
    let commit = variable("VINTNER_COMMIT").or_else(|| if is_release { commit() } else { None });
    say(&format!("rustc-env=VINTNER_TARGET={target}"));
    say(&format!("rustc-env=VINTNER_COMMIT={}", commit.unwrap_or_else(|| "unknown".to_owned())));
}

/// The commit of the sources; watches the files that change with it.
fn commit() -> Option<String> {
    // Sources inside the repository of another project have no commit of their own.
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let own = variable("CARGO_MANIFEST_DIR")?;
    if Path::new(&top).canonicalize().ok()? != Path::new(&own).canonicalize().ok()? {
        return None;
    }
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in [Some("HEAD".to_owned()), Some("packed-refs".to_owned()), branch].into_iter().flatten() {
        let path = git(&["rev-parse", "--git-path", &name]).filter(|path| Path::new(path).exists());
        if let Some(path) = path {
            say(&format!("rerun-if-changed={path}"));
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
