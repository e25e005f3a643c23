//! The environment variables that commands read.

/// The value of a variable, if it is set to text that is not blank.
pub(crate) fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}
