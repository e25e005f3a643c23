//! `vintner status`: asks the admin listener, else reads the journal.

use crate::admin::ask;
use crate::admin::report::Report;
use crate::admin::view::{AccountView, View};
use crate::app::AppError;
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, Reported, logging, open, table};
use crate::clock::Clock;
use crate::config::settings::{Config, Endpoint};
use crate::telemetry::Metrics;

#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    #[command(flatten)]
    file: ConfigFile,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Print no report: end with 0 if the running instance is live (it answers) or ready, else with 1 and the reasons
    #[arg(long, value_enum, conflicts_with = "json")]
    check: Option<Health>,
}

/// What a health check asks for, as `/livez` and `/readyz` mean it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Health {
    /// An instance answers
    Live,
    /// It is connected to every account, every sink works, and the journal has room
    Ready,
}

impl Status {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let config = open::configuration(&self.file, Purpose::Look)?;
        if let Some(health) = self.check {
            return check(&config, health).await;
        }
        let asked = match config.admin {
            Some(address) => ask::status(address).await,
            None => None,
        };
        let report = match asked {
            Some(report) => report,
            None => from_journal(&config).await?,
        };
        let text = if self.json { table::json_line(&report)? } else { human(&report) };
        table::print(&text)
    }
}

/// For container engines and scripts that have no HTTP client.
async fn check(config: &Config, health: Health) -> anyhow::Result<()> {
    let Some(address) = config.admin else {
        let message = "`status --check` asks the running instance: add [admin] with `listen`".to_owned();
        return Err(AppError::Configuration(message).into());
    };
    let Some(report) = ask::status(address).await else {
        return Err(AppError::Failed(format!("no running instance answers at {address}")).into());
    };
    let reasons = if health == Health::Ready { report.unready() } else { Vec::new() };
    if reasons.is_empty() {
        return table::print(if health == Health::Ready { "ready\n" } else { "live\n" });
    }
    for reason in &reasons {
        logging::complain(&table::printable(reason));
    }
    Err(Reported(1).into())
}

/// What can be said when no instance answers.
async fn from_journal(config: &Config) -> anyhow::Result<Report> {
    let journal = open::reader(&config.journal.path)?;
    let accounts = config.accounts.iter().map(|account| {
        let platform = match &account.endpoint {
            Endpoint::Platform(platform) => platform,
            Endpoint::ApiUrl(_) => "custom",
        };
        AccountView::new(&account.name, platform)
    });
    let view = View {
        journal: journal.clone(),
        metrics: Metrics::default(),
        clock: Clock::system(),
        started: None,
        accounts: accounts.collect(),
        sinks: config.sinks.iter().map(|sink| (sink.name.clone(), None)).collect(),
    };
    let mut report = view.report().await.map_err(AppError::Journal)?;
    for (sink, configured) in report.sinks.iter_mut().zip(&config.sinks) {
        // A sink that no instance has used yet has no position, but records wait for it.
        if sink.positions.is_empty() {
            let waiting = view.journal.backlog_from(&sink.name, configured.from).await.map_err(AppError::Journal)?;
            sink.backlog = waiting.iter().map(|entry| entry.pending).sum();
            sink.oldest = waiting.iter().filter_map(|entry| entry.oldest).min();
        }
    }
    report.journal.limit_bytes = config.journal.max_bytes;
    report.journal.full = report.journal.used_bytes >= config.journal.max_bytes;
    if report.journal.full {
        let causes = journal.causes().await.map_err(AppError::Journal)?;
        (report.journal.cause, report.journal.hint) = (Some(causes.to_string()), Some(causes.hint()));
    }
    Ok(report)
}

fn human(report: &Report) -> String {
    let mut text = match report.started {
        Some(started) => format!("vintner {} running since {started}\n\n", report.version),
        None => "no running instance answers; this is what the journal says\n\n".to_owned(),
    };
    let streams: Vec<Vec<String>> = report.accounts.iter().flat_map(stream_rows).collect();
    text += &table::table(&["ACCOUNT", "STREAM", "STATE", "LAST PASS", "LAG", "TAKEN", "HELD", "WHY"], &streams);
    text.push('\n');
    for account in &report.accounts {
        let Some(clock) = &account.clock else { continue };
        if let Some(problem) = &clock.problem {
            let what = if clock.refuses {
                "no first start is fixed, nothing is removed for its age"
            } else {
                "the API's counts"
            };
            text += &format!("account {}: {problem}: {what}\n\n", account.name);
        }
    }
    let budgets: Vec<Vec<String>> = report.accounts.iter().filter_map(budget_row).collect();
    if !budgets.is_empty() {
        text += &table::table(&["ACCOUNT", "REQUESTS/MIN", "CEILING", "OTHERS", "LIMIT", "PAUSED UNTIL"], &budgets);
        text.push('\n');
    }
    let sinks: Vec<Vec<String>> = report.sinks.iter().map(sink_row).collect();
    text += &table::table(&["SINK", "STATE", "BACKLOG", "OLDEST", "LAST ERROR"], &sinks);
    let journal = &report.journal;
    let full = if journal.full { ", FULL: collectors wait" } else { "" };
    let dropped = match journal.dead_letters_dropped {
        0 => String::new(),
        dropped => format!(" ({dropped} of unreadable items dropped)"),
    };
    text += &format!(
        "\njournal: {} of {} bytes used{full}; {} records held, {} dead letters{dropped}; {} bytes of state besides\n",
        journal.used_bytes, journal.limit_bytes, journal.held_records, journal.dead_letters, journal.state_bytes
    );
    if let Some(cause) = &journal.cause {
        text += &format!("why it is full: {cause}\n");
    }
    if let Some(hint) = &journal.hint {
        text += &format!("to go on: {hint}\n");
    }
    if !report.drift.is_empty() {
        let names = report.drift.len();
        text +=
            &format!("drift: {names} names of fields, contexts or actions that no document told (--json lists them)\n");
    }
    text
}

fn stream_rows(account: &crate::admin::report::AccountReport) -> Vec<Vec<String>> {
    if account.streams.is_empty() {
        let why = account.problem.clone().unwrap_or_else(|| "not connected".to_owned());
        let blank = String::new;
        return vec![vec![account.name.clone(), "-".into(), "-".into(), blank(), blank(), blank(), blank(), why]];
    }
    let row = |stream: &crate::admin::report::StreamReport| {
        let last = stream.last_pass.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let lag = stream.lag_seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds} s"));
        let stretched = stream.stretched_to_seconds.map(|seconds| format!("interval stretched to {seconds} s"));
        let short = stream.lists.iter().filter_map(|list| list.shortage.clone());
        let whys = stream.reason.clone().or(stretched).into_iter().chain(stream.lack()).chain(short);
        let why = whys.collect::<Vec<_>>().join("; ");
        let (taken, held) = (stream.taken.to_string(), stream.held.to_string());
        vec![account.name.clone(), stream.stream.clone(), stream.state.clone(), last, lag, taken, held, why]
    };
    account.streams.iter().map(row).collect()
}

/// Requests of the last minute; only a running instance knows them.
fn budget_row(account: &crate::admin::report::AccountReport) -> Option<Vec<String>> {
    let budget = account.budget.as_ref()?;
    let paused = budget.paused_until.map_or_else(|| "-".to_owned(), |until| until.to_string());
    let numbers = [budget.used, budget.ceiling, budget.foreign, budget.limit].map(|number| number.to_string());
    Some(std::iter::once(account.name.clone()).chain(numbers).chain([paused]).collect())
}

fn sink_row(sink: &crate::admin::report::SinkReport) -> Vec<String> {
    let state = match (sink.failing_since, sink.works) {
        (Some(since), _) if sink.stopped => format!("stopped since {since}"),
        (Some(since), _) => format!("down since {since}"),
        (None, Some(true)) => "works".to_owned(),
        (None, Some(false)) => "starting".to_owned(),
        (None, None) => "-".to_owned(),
    };
    let oldest = sink.oldest.map_or_else(|| "-".to_owned(), |at| at.to_string());
    vec![sink.name.clone(), state, sink.backlog.to_string(), oldest, sink.last_error.clone().unwrap_or_default()]
}
