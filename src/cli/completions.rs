//! `vintner completions <shell>`: a script by which the shell asks vintner itself, which knows accounts, sinks and organizations
//! of the configuration.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

use clap::CommandFactory as _;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;

use crate::app::{AppError, names};
use crate::cli::{Arguments, ConfigFile, environment, open, table};
use crate::config::load;
use crate::config::settings::Config;
use crate::org::directory::Directory;

/// Set by the script: the shell that asks.
const ASKED_BY: &str = "VINTNER_COMPLETE";

#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

impl Completions {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let mut script = Vec::new();
        let shells = Shells::builtins();
        let shell = shells.completer(&self.shell.to_string());
        let shell = shell.ok_or_else(|| AppError::Failed(format!("no completions for {}", self.shell)))?;
        shell.write_registration(ASKED_BY, "vintner", "vintner", "vintner", &mut script)?;
        table::print(&String::from_utf8_lossy(&script))
    }
}

/// Answers the shell if it is one that asks; `None`: it is not.
pub(crate) fn answer() -> Option<anyhow::Result<()>> {
    let shell = environment::variable(ASKED_BY)?;
    let words: Vec<OsString> = std::env::args_os().skip_while(|word| word != "--").skip(1).collect();
    Some(answered(&shell, words))
}

fn answered(shell: &str, words: Vec<OsString>) -> anyhow::Result<()> {
    let shells = Shells::builtins();
    let unknown = || AppError::Configuration(format!("{ASKED_BY} = {shell:?}: no such shell"));
    let completer = shells.completer(shell).ok_or_else(unknown)?;
    let mut command = Arguments::command();
    command.build();
    let mut answer = Vec::new();
    let here = std::env::current_dir().ok();
    completer.write_complete(&mut command, words, here.as_deref(), &mut answer)?;
    table::print(&String::from_utf8_lossy(&answer))
}

/// Accounts of the configuration.
pub(crate) fn accounts(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(config) = config() else { return Vec::new() };
    candidates(current, config.accounts.into_iter().map(|account| account.name))
}

/// Sinks of the configuration.
pub(crate) fn sinks(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(config) = config() else { return Vec::new() };
    candidates(current, config.sinks.into_iter().map(|sink| sink.name))
}

/// Organizations of the configuration, and of the journal where there is one.
pub(crate) fn organizations(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(config) = config() else { return Vec::new() };
    let directory = stored(&config)
        .unwrap_or_else(|| Directory::new(0, Arc::default(), Vec::new(), Vec::new()).under(config.policy.clone()));
    candidates(current, names::organizations(&directory).into_iter())
}

/// The directory of the journal under the mapping of the file.
fn stored(config: &Config) -> Option<Directory> {
    if !config.journal.path.exists() {
        return None;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async {
        let journal = open::reader(&config.journal.path).ok()?;
        open::directory(&journal, config).await.ok()
    })
}

fn candidates(current: &OsStr, names: impl Iterator<Item = String>) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    names.filter(|name| name.starts_with(&*current)).map(CompletionCandidate::new).collect()
}

/// The configuration that the words on the line name, else the usual one; none while it has errors.
fn config() -> Option<Config> {
    let path = open::find(&ConfigFile { config: named(std::env::args_os()) }).ok()?;
    Some(load::load(&path).ok()?.config)
}

/// The value of `-c` or `--config` among words that may be anything else.
fn named(words: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    let mut words = words.map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = words.next() {
        match word.as_str() {
            "-c" | "--config" => return words.next().map(PathBuf::from),
            word => {
                if let Some(path) = word.strip_prefix("--config=") {
                    return Some(path.into());
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_on_the_line_is_the_one_that_counts() {
        let named = |words: &[&str]| named(words.iter().map(OsString::from));
        assert_eq!(named(&["vintner", "tail", "-c", "a.toml", "--org"]), Some("a.toml".into()));
        assert_eq!(named(&["vintner", "tail", "--config=b.toml"]), Some("b.toml".into()));
        assert_eq!(named(&["vintner", "tail", "-c"]), None);
    }
}
