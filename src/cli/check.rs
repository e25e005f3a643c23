//! `vintner check`: all problems of the configuration at once; on request accounts, sinks and the journal as well.

use crate::app::AppError;
use crate::app::online::{self, Probed};
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, Reported, logging, open, table};
use crate::config::load::ProcessEnvironment;

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    #[command(flatten)]
    file: ConfigFile,
    /// Log in to each account, read one page, and probe each sink
    #[arg(long)]
    online: bool,
    /// Also look at how the API answers each account: forms only, no values, to paste into a report (at most 25 requests each)
    #[arg(long, requires = "online")]
    probe: bool,
    /// Read every page of the journal
    #[arg(long)]
    journal: bool,
}

impl Check {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let purpose = if self.online { Purpose::Act } else { Purpose::Check };
        let config = open::configuration(&self.file, purpose)?;
        let mut problems = Vec::new();
        if self.journal {
            let journal = open::reader(&config.journal.path)?;
            let checked = journal.check_pages().await.map_err(AppError::Journal)?;
            let path = config.journal.path.display();
            logging::complain(&format!(
                "journal {path}: {} batches with {} records and {} held records read",
                checked.batches, checked.records, checked.held
            ));
            problems.extend(checked.problems.into_iter().map(|problem| format!("journal {path}: {problem}")));
        }
        if self.online {
            let found = online::check(&config, &ProcessEnvironment, self.probe).await?;
            for probed in &found.probes {
                table::print(&report(probed, config.accounts.len()))?;
            }
            problems.extend(found.problems);
        }
        for problem in &problems {
            logging::complain(&format!("error: {problem}"));
        }
        if !problems.is_empty() {
            return Err(Reported(1).into());
        }
        logging::complain("the configuration is good");
        Ok(())
    }
}

/// What a probe showed, as a table.
fn report(probed: &Probed, accounts: usize) -> String {
    let Probed { number, platform, lines } = probed;
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| vec![line.about.to_owned(), line.question.to_owned(), line.answer.join(", ")])
        .collect();
    format!(
        "vintner {}, probe of account {number} of {accounts}, platform {platform}: forms of answers, no values\n{}\n",
        env!("CARGO_PKG_VERSION"),
        table::table(&["ABOUT", "QUESTION", "ANSWER"], &rows)
    )
}
