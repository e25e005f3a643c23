//! The environment variables that commands read.

use std::path::PathBuf;

/// The value of a variable, if it is set to text that is not blank.
pub(crate) fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The folder of the user's own configuration files, by the XDG base directory specification.
pub(crate) fn user_folder() -> Option<PathBuf> {
    let folder = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    folder.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".config")))
}
