//! Words of other programs for commands: the usage error names the real one.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Names that people try, and what does that here.
const COMMANDS: [(&[&str], &str); 8] = [
    (&["validate", "test", "lint", "configtest"], "`vintner check` reports all problems of the configuration"),
    (&["doctor", "ping", "connect"], "`vintner check --online` logs in to each account and probes each sink"),
    (&["version"], "`vintner --version` prints the version"),
    (&["start", "collect", "serve", "daemon"], "`vintner run` collects and delivers until it is stopped"),
    (&["generate", "new", "setup", "configure"], "`vintner init` writes a configuration"),
    (
        &["logs", "watch", "follow"],
        "`vintner tail` shows new events, `vintner status --watch` what a running vintner does",
    ),
    (&["sites", "organizations", "mapping"], "`vintner orgs list` shows which site goes to which organization"),
    (&["backfill", "coverage", "webhook"], "this command is not part of this version"),
];

/// The error with the command that was meant, where the word is a known one.
pub(super) fn completed(mut error: clap::Error) -> clap::Error {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return error;
    }
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return error };
    let Some((_, hint)) = COMMANDS.into_iter().find(|(words, _)| words.contains(&word.as_str())) else { return error };
    error.remove(ContextKind::SuggestedSubcommand);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
    error
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::Arguments;

    fn text(word: &str) -> String {
        completed(Arguments::try_parse_from(["vintner", word]).expect_err("no command")).to_string()
    }

    #[test]
    fn a_word_of_another_program_leads_to_the_real_command() {
        assert!(text("validate").contains("tip: `vintner check` reports"), "{}", text("validate"));
        let version = text("version");
        assert!(version.contains("tip: `vintner --version` prints") && !version.contains("verify"), "{version}");
        assert!(text("backfill").contains("tip: this command is not part of this version"));
        assert!(text("statsu").contains("'status'"), "{}", text("statsu"));
    }

    #[test]
    fn no_command_of_this_version_stands_among_the_words() {
        let command = Arguments::command();
        let words = COMMANDS.iter().flat_map(|(words, _)| *words);
        let real: Vec<_> = words.filter(|word| command.find_subcommand(word).is_some()).collect();
        assert!(real.is_empty(), "{real:?}");
    }
}
