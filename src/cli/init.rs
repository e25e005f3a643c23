//! `vintner init`: a commented configuration, never over an existing file.

use std::fs::OpenOptions;
use std::io::{BufRead, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;

use crate::app::AppError;
use crate::cli::logging;
use crate::config::template::{self, Place, TemplateError};

const PLATFORM: &str = "merlot";
const ACCOUNT: &str = "acme";
/// Wrong answers to one question before the command gives up.
const MOST_ANSWERS: usize = 5;

#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// Datto RMM platform: pinotage, merlot, concord, vidal, zinfandel or syrah [default: asked for on a terminal, else merlot]
    #[arg(long)]
    platform: Option<String>,
    /// Host root of a gateway or test server, instead of a platform
    #[arg(long, value_name = "URL", conflicts_with = "platform")]
    api_url: Option<String>,
    /// Name for the account, used in events, metrics and commands [default: asked for on a terminal, else acme]
    #[arg(long)]
    account: Option<String>,
    /// File to write
    #[arg(short, long, default_value = "vintner.toml")]
    config: PathBuf,
}

impl Init {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let path = self.config.display();
        if self.config.exists() {
            return Err(exists(&self.config).into());
        }
        let (place, account) = self.answers()?;
        let text = template::template(&place, &account).map_err(usage)?;
        let opened = OpenOptions::new().write(true).create_new(true).open(&self.config);
        let unwritable = |error: std::io::Error| {
            if error.kind() == ErrorKind::AlreadyExists {
                exists(&self.config)
            } else {
                AppError::Failed(format!("{path} cannot be written: {error}"))
            }
        };
        let mut file = opened.map_err(unwritable)?;
        file.write_all(text.as_bytes()).map_err(unwritable)?;
        logging::complain(&format!("{path} is written; set the secrets that it names, then: vintner check --online"));
        Ok(())
    }

    /// What the options say; what they leave open is asked for where a person can answer.
    fn answers(&self) -> anyhow::Result<(Place, String)> {
        let given = match (&self.api_url, &self.platform) {
            (Some(url), _) => Some(Place::ApiUrl(url.clone())),
            (None, platform) => platform.clone().map(Place::Platform),
        };
        if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
            logging::flush();
            return asked(given, self.account.clone(), &mut std::io::stdin().lock(), &mut std::io::stderr());
        }
        let place = given.unwrap_or_else(|| Place::Platform(PLATFORM.to_owned()));
        Ok((place, self.account.clone().unwrap_or_else(|| ACCOUNT.to_owned())))
    }
}

fn exists(path: &std::path::Path) -> AppError {
    let hint = "it is left as it is; name another file with --config, or move it away";
    AppError::Failed(format!("{} exists already: {hint}", path.display()))
}

fn usage(error: TemplateError) -> AppError {
    AppError::Configuration(error.to_string())
}

/// Asks for what is not given, on one line each; an empty answer means the default.
fn asked(
    place: Option<Place>,
    account: Option<String>,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> anyhow::Result<(Place, String)> {
    let of_text = |text: &str| match text.contains(':') {
        true => Place::ApiUrl(text.to_owned()),
        false => Place::Platform(text.to_owned()),
    };
    let place = match place {
        Some(place) => place,
        None => {
            let question = "Datto RMM platform (it is in the portal's address), or the URL of a gateway";
            let check = |text: &str| template::check_place(&of_text(text));
            of_text(&question_until_good(question, PLATFORM, check, input, output)?)
        }
    };
    let account = match account {
        Some(account) => account,
        None => {
            let question = "Name for the account, used in events, metrics and commands";
            question_until_good(question, ACCOUNT, template::check_account, input, output)?
        }
    };
    Ok((place, account))
}

fn question_until_good(
    question: &str,
    default: &str,
    check: impl Fn(&str) -> Result<(), TemplateError>,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> anyhow::Result<String> {
    for _ in 0..MOST_ANSWERS {
        write!(output, "{question} [{default}]: ")?;
        output.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            writeln!(output)?;
            return Err(AppError::Configuration("nothing is written: the question has no answer".to_owned()).into());
        }
        let answer = if line.trim().is_empty() { default } else { line.trim() };
        match check(answer) {
            Ok(()) => return Ok(answer.to_owned()),
            Err(error) => writeln!(output, "{error}")?,
        }
    }
    Err(AppError::Configuration("nothing is written: no answer was good".to_owned()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(place: Option<Place>, account: Option<&str>, typed: &str) -> (Option<(Place, String)>, String) {
        let mut said = Vec::new();
        let found = asked(place, account.map(str::to_owned), &mut typed.as_bytes(), &mut said);
        (found.ok(), String::from_utf8(said).unwrap())
    }

    #[test]
    fn a_terminal_is_asked_for_what_is_missing_only() {
        let vidal = Place::Platform("vidal".to_owned());
        let (found, said) = answered(Some(vidal.clone()), Some("north"), "");
        assert_eq!((found, said.as_str()), (Some((vidal.clone(), "north".to_owned())), ""));
        let (found, said) = answered(Some(vidal.clone()), None, "\n");
        assert_eq!(found, Some((vidal.clone(), "acme".to_owned())));
        assert_eq!(said, "Name for the account, used in events, metrics and commands [acme]: ");
        let (found, said) = answered(None, None, "burgundy\n vidal \nnorth 1\nnorth\n");
        assert_eq!(found, Some((vidal, "north".to_owned())));
        assert!(said.contains("is not a platform") && said.contains("is not a name"), "{said}");
        let (found, _) = answered(None, Some("a"), "https://gateway.example\n");
        assert_eq!(found, Some((Place::ApiUrl("https://gateway.example".to_owned()), "a".to_owned())));
    }

    #[test]
    fn an_end_of_input_writes_nothing() {
        assert_eq!(answered(None, None, "").0, None);
        assert_eq!(answered(None, None, &"no\n".repeat(9)).0, None);
    }
}
