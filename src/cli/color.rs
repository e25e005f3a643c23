//! One rule for color in logs, help, tables and errors (contract.md section 1).

use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU8, Ordering};

use clap::ValueEnum;

use crate::cli::environment;
use crate::output::style::Paint;

/// `--color`, as a number, so that everything that prints can ask for it.
static CHOICE: AtomicU8 = AtomicU8::new(0);

/// When output has color.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`; elsewhere only if `CLICOLOR_FORCE` is set
    #[default]
    Auto,
    /// Always, whatever the environment says
    Always,
    /// Never: no escape sequence at all
    Never,
}

/// A stream that may be a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Puts `--color` in force for the whole process.
pub(crate) fn set(color: Color) {
    CHOICE.store(color as u8, Ordering::Relaxed);
}

/// Reads `--color` of arguments that may have other mistakes, so that the text about them is right too.
pub(crate) fn set_from(arguments: impl Iterator<Item = OsString>) {
    let mut arguments = arguments.map(|argument| argument.to_string_lossy().into_owned()).peekable();
    while let Some(argument) = arguments.next() {
        let value = match argument.as_str() {
            "--" => return,
            "--color" => arguments.peek().cloned(),
            other => other.strip_prefix("--color=").map(str::to_owned),
        };
        if let Some(color) = value.and_then(|value| Color::from_str(&value, false).ok()) {
            set(color);
        }
    }
}

/// Whether this output has color.
pub(crate) fn is_on(output: Output) -> bool {
    let choice = match CHOICE.load(Ordering::Relaxed) {
        choice if choice == Color::Always as u8 => Color::Always,
        choice if choice == Color::Never as u8 => Color::Never,
        _ => Color::Auto,
    };
    let is_terminal = || match output {
        Output::Stdout => std::io::stdout().is_terminal(),
        Output::Stderr => std::io::stderr().is_terminal(),
    };
    decide(choice, environment::variable, is_terminal)
}

/// The color of this output.
pub(crate) fn paint(output: Output) -> Paint {
    if is_on(output) { Paint::Ansi } else { Paint::None }
}

fn decide(choice: Color, variable: impl Fn(&str) -> Option<String>, is_terminal: impl Fn() -> bool) -> bool {
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if variable("NO_COLOR").is_some() => false,
        Color::Auto if variable("TERM").is_some_and(|term| term == "dumb") => false,
        Color::Auto => variable("CLICOLOR_FORCE").is_some_and(|force| force != "0") || is_terminal(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(set: &[(&str, &str)], is_terminal: bool) -> bool {
        let variable = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        decide(Color::Auto, variable, || is_terminal)
    }

    #[test]
    fn the_option_beats_the_environment_and_the_environment_beats_the_terminal() {
        let no_color = |name: &str| (name == "NO_COLOR").then(|| "1".to_owned());
        assert!(decide(Color::Always, no_color, || false));
        assert!(!decide(Color::Never, |_| None, || true));
        assert!(auto(&[], true) && !auto(&[], false));
        assert!(!auto(&[("NO_COLOR", "1")], true) && !auto(&[("TERM", "dumb")], true));
        assert!(auto(&[("CLICOLOR_FORCE", "1")], false) && !auto(&[("CLICOLOR_FORCE", "0")], false));
        assert!(!auto(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], true));
        assert!(!auto(&[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], true));
    }
}
