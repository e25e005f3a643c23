//! Help: its styles, examples of each command, and the exit codes.

use clap::builder::Styles;

use crate::output::style::{ERROR, GOOD, HEADING, LITERAL, WARNING};

/// The styles of help and of usage errors.
pub(crate) const STYLES: Styles =
    Styles::styled().header(HEADING).usage(HEADING).literal(LITERAL).error(ERROR).invalid(WARNING).valid(GOOD);

/// Commands with examples, each with what it does.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "demo",
        &[
            ("vintner demo", "watch a simulated MSP for 8 seconds"),
            ("vintner demo --duration 1m --wide", "for a minute, every column at full length"),
            ("vintner demo --events 500 --json | jq .message", "exactly 500 events as JSON"),
        ],
    ),
    (
        "init",
        &[
            ("vintner init --platform vidal --account acme", "write vintner.toml for one account"),
            ("vintner init -c /etc/vintner/vintner.toml", "write it somewhere else"),
        ],
    ),
    (
        "check",
        &[
            ("vintner check", "every problem of the configuration, without the network"),
            ("vintner check --online", "log in, read one page of each list, probe each sink"),
            ("vintner check -c /etc/vintner/conf.d", "a folder of files"),
        ],
    ),
    (
        "run",
        &[
            ("vintner run", "collect and deliver until Ctrl-C"),
            ("vintner run --once > events.ndjson", "everything once, then a summary on stderr"),
            ("kill -HUP PID", "reload the configuration of a running instance"),
        ],
    ),
    (
        "fetch",
        &[
            ("vintner fetch open-alerts | jq -r .message", "credentials from VINTNER_API_KEY and VINTNER_API_SECRET"),
            ("vintner fetch activity --since 2h --account acme", "of an account of the configuration"),
            ("vintner fetch devices --format raw", "records as Datto RMM sends them"),
        ],
    ),
    (
        "normalize",
        &[
            ("vintner normalize --type alert < alerts.ndjson", "records become OCSF events"),
            (
                "vintner normalize --type activity --format ecs -c vintner.toml",
                "with the organizations of a configuration",
            ),
        ],
    ),
    (
        "orgs",
        &[
            ("vintner orgs list", "which site goes to which organization, and why"),
            ("vintner orgs plan", "what the edited mapping would change"),
            ("vintner orgs export > mapping.toml", "a mapping file to start from"),
        ],
    ),
    (
        "status",
        &[
            ("vintner status", "accounts, streams and sinks"),
            ("vintner status --json | jq .sinks", "for programs"),
            ("vintner status --check ready", "a health check: the exit code is the answer"),
        ],
    ),
    (
        "tail",
        &[
            ("vintner tail", "the last 10 events, then new ones as they come"),
            ("vintner tail --severity high --org contoso", "only what is severe, of one organization"),
            ("vintner tail --since 1h --once --json | jq .message", "one hour back, then end"),
        ],
    ),
    (
        "replay",
        &[
            ("vintner replay --sink siem --since 24h", "the last day once more"),
            ("vintner replay --sink siem --org contoso", "one organization, all that is kept"),
        ],
    ),
    (
        "dead-letters",
        &[
            ("vintner dead-letters list", "what could not be delivered, with the reason"),
            ("vintner dead-letters show 17", "one of them with its record"),
            ("vintner dead-letters replay --sink siem", "send all of one sink again"),
        ],
    ),
    (
        "verify",
        &[
            ("vintner verify", "the only Kafka sink, all of its topics"),
            ("vintner verify --sink siem --json", "one sink, as one JSON object"),
        ],
    ),
    (
        "explain",
        &[
            ("vintner explain 0192f3a4-5b6c-5d7e-8f90-a1b2c3d4e5f6", "an event of the journal, by its metadata.uid"),
            ("vintner fetch open-alerts --format raw | head -1 | vintner explain", "a record from stdin"),
            ("vintner explain --field time --type alert < alert.json", "one field: where it comes from"),
        ],
    ),
    (
        "schema",
        &[
            ("vintner schema --class detection_finding", "one event class"),
            ("vintner schema --list", "all classes"),
            ("vintner schema --config > vintner.schema.json", "the configuration, for editors"),
        ],
    ),
    (
        "simulate",
        &[
            ("vintner simulate --listen 127.0.0.1:8080", "a simulated Datto RMM for your own tests"),
            ("vintner simulate --seed 7 --open-alerts 5000", "a larger world"),
        ],
    ),
    (
        "completions",
        &[
            ("vintner completions bash > ~/.local/share/bash-completion/completions/vintner", "bash"),
            ("vintner completions fish > ~/.config/fish/completions/vintner.fish", "fish"),
            ("source <(vintner completions zsh)", "zsh, for this shell"),
        ],
    ),
    (
        "man",
        &[
            ("vintner man | man -l -", "read the manual page of vintner"),
            ("vintner man ~/.local/share/man/man1", "write one page for each command"),
        ],
    ),
];

/// Exit codes of all commands, and where to read on.
pub(crate) fn exit_codes() -> String {
    format!(
        "{HEADING}Exit codes:{HEADING:#}
  0  done
  1  failed
  2  wrong usage or configuration
  3  the time to stop ran out, or a second signal ended it

{HEADING}Start here:{HEADING:#}
  {LITERAL}vintner demo{LITERAL:#}   see it work: no configuration, no network
  {LITERAL}vintner init{LITERAL:#}   write a configuration, then {LITERAL}vintner check --online{LITERAL:#} and {LITERAL}vintner run{LITERAL:#}"
    )
}

/// The examples of a command.
pub(crate) fn examples(command: &str) -> String {
    let found = EXAMPLES.iter().find(|(name, _)| *name == command);
    let lines = found.iter().flat_map(|(_, examples)| examples.iter());
    let lines = lines.map(|(example, does)| format!("\n  {LITERAL}{example}{LITERAL:#}\n      {does}"));
    format!("{HEADING}Examples:{HEADING:#}{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Arguments;

    /// Words of an example as a shell splits them, up to a redirection or a pipe.
    fn words(example: &str) -> Vec<String> {
        let example = example.replace("<(", "");
        let words = example.split(' ').skip_while(|word| *word != "vintner");
        words
            .take_while(|word| !matches!(*word, "|" | "<" | ">"))
            .map(|word| word.trim_matches(['(', ')']).to_owned())
            .collect()
    }

    #[test]
    fn every_command_has_two_or_three_examples_that_parse() {
        let command = Arguments::command();
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let found = EXAMPLES.iter().find(|(name, _)| *name == sub.get_name());
            let (_, examples) = found.unwrap_or_else(|| panic!("{} has no example", sub.get_name()));
            assert!((2..=3).contains(&examples.len()), "{}", sub.get_name());
            for (example, _) in examples.iter().filter(|(example, _)| example.contains("vintner ")) {
                let parsed = command.clone().try_get_matches_from(words(example));
                assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn help_shows_examples_and_exit_codes_and_has_color_only_if_asked() {
        let help = Arguments::command().find_subcommand_mut("tail").unwrap().render_help();
        let plain = help.to_string();
        assert!(plain.contains("Examples:\n  vintner tail\n      the last 10 events"), "{plain}");
        assert!(!plain.contains('\u{1b}') && help.ansi().to_string().contains('\u{1b}'));
        assert!(Arguments::command().render_help().to_string().contains("Exit codes:\n  0  done"));
    }
}
