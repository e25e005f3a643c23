//! `vintner status`: asks the admin listener, else reads the journal.

use std::time::Duration;

use crate::admin::ask;
#[cfg(test)]
use crate::admin::report::BudgetReport;
use crate::admin::report::{AccountReport, JournalReport, Report, SinkReport, StreamReport};
use crate::admin::view::{AccountView, View};
use crate::app::AppError;
use crate::app::stop::Signals;
use crate::cli::color::{self, Output};
use crate::cli::open::Purpose;
use crate::cli::{ConfigFile, Reported, demo, logging, open, table};
use crate::clock::{Clock, Millis};
use crate::config::settings::{Config, Endpoint};
use crate::diagnostic::words;
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
    /// Print the report again and again, every 2 s or as given, until stopped
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, require_equals = true, default_missing_value = "2s", value_parser = demo::duration, conflicts_with = "check")]
    watch: Option<Duration>,
}

/// Moves the cursor home and clears the screen.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

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
        let Some(interval) = self.watch else { return table::print(&self.text(&report(&config).await?)?) };
        let stopped = Signals::take()?.stop();
        tokio::pin!(stopped);
        let clears = !self.json && color::is_on(Output::Stdout);
        let mut is_first = true;
        loop {
            let text = self.text(&report(&config).await?)?;
            let before = match (clears, std::mem::replace(&mut is_first, false)) {
                (true, _) => CLEAR,
                (false, false) if !self.json => "\n",
                (false, _) => "",
            };
            table::print(&format!("{before}{text}"))?;
            tokio::select! {
                () = &mut stopped => return Ok(()),
                () = tokio::time::sleep(interval) => {}
            }
        }
    }

    fn text(&self, report: &Report) -> anyhow::Result<String> {
        if self.json { Ok(table::json_line(report)?) } else { Ok(human(report)) }
    }
}

/// What the running instance says; else what the journal says.
async fn report(config: &Config) -> anyhow::Result<Report> {
    let asked = match config.admin {
        Some(address) => ask::status(address).await,
        None => None,
    };
    match asked {
        Some(report) => Ok(report),
        None => from_journal(config).await,
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
    let now = report.at;
    let mut text = match report.started {
        Some(started) => format!("vintner {}, running for {}\n\n", report.version, words::duration(now.since(started))),
        None => "no running instance answers; this is what the journal says\n\n".to_owned(),
    };
    let streams: Vec<Vec<String>> = report.accounts.iter().flat_map(|account| stream_rows(account, now)).collect();
    text += &table::table(&["ACCOUNT", "STREAM", "STATE", "LAST PASS", "LAG", "TAKEN", "HELD", "WHY"], &streams);
    text.push('\n');
    for account in &report.accounts {
        // An account that is not connected says it in its row.
        if let (Some(since), Some(error), Some(_)) = (account.unreachable_since, &account.last_error, &account.uid) {
            let (lasts, next) = (words::duration(now.since(since)), next_try(account, now));
            text += &format!("account {}: its API cannot be reached for {lasts}: {error}{next}\n\n", account.name);
        }
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
    let budgets: Vec<Vec<String>> = report.accounts.iter().filter_map(|account| budget_row(account, now)).collect();
    if !budgets.is_empty() {
        text += &table::table(&["ACCOUNT", "REQUESTS/MIN", "CEILING", "OTHERS", "LIMIT", "PAUSED FOR"], &budgets);
        text.push('\n');
    }
    let sinks: Vec<Vec<String>> = report.sinks.iter().map(|sink| sink_row(sink, now)).collect();
    text += &table::table(&["SINK", "STATE", "BACKLOG", "OLDEST", "LAST ERROR"], &sinks);
    text += &journal_lines(&report.journal);
    if !report.drift.is_empty() {
        let names = words::count(u64::try_from(report.drift.len()).unwrap_or(u64::MAX), "name");
        text +=
            &format!("drift: {names} of fields, contexts or actions that no documentation has (--json lists them)\n");
    }
    text
}

fn journal_lines(journal: &JournalReport) -> String {
    let full = if journal.full { ", FULL: collectors wait" } else { "" };
    let dropped = match journal.dead_letters_dropped {
        0 => String::new(),
        dropped => format!(" ({dropped} of unreadable items dropped)"),
    };
    let (used, limit) = (words::bytes(journal.used_bytes), words::bytes(journal.limit_bytes));
    let held = words::count(journal.held_records, "record");
    let dead = words::count(journal.dead_letters, "dead letter");
    let state = words::bytes(journal.state_bytes);
    let mut text =
        format!("\njournal: {used} of {limit} used{full}; {held} held, {dead}{dropped}; {state} of state besides\n");
    if let Some(trouble) = &journal.trouble {
        text += &format!("trouble: {}\n", table::printable(trouble));
    }
    if let Some(cause) = &journal.cause {
        text += &format!("why it is full: {cause}\n");
    }
    if let Some(hint) = &journal.hint {
        text += &format!("to go on: {hint}\n");
    }
    text
}

/// `12 s ago`, or `-`.
fn ago(at: Option<Millis>, now: Millis) -> String {
    at.map_or_else(|| "-".to_owned(), |at| format!("{} ago", words::duration(now.since(at))))
}

/// When a connection that failed is tried again, as the end of a sentence.
fn next_try(account: &AccountReport, now: Millis) -> String {
    let text = |at: Millis| format!("; next try in {}", words::duration(at.since(now)));
    account.retry_at.map(text).unwrap_or_default()
}

fn stream_rows(account: &AccountReport, now: Millis) -> Vec<Vec<String>> {
    if account.streams.is_empty() {
        let why = account.problem.clone().unwrap_or_else(|| "not connected".to_owned()) + &next_try(account, now);
        let blank = String::new;
        return vec![vec![account.name.clone(), "-".into(), "-".into(), blank(), blank(), blank(), blank(), why]];
    }
    let row = |stream: &StreamReport| {
        let seconds = |seconds: u64| words::duration(Duration::from_secs(seconds));
        let lag = stream.lag_seconds.map_or_else(|| "-".to_owned(), seconds);
        let stretched = stream.stretched_to_seconds.map(|to| format!("interval stretched to {}", seconds(to)));
        let short = stream.lists.iter().filter_map(|list| list.shortage.clone());
        let whys = stream.reason.clone().or(stretched).into_iter().chain(stream.lack()).chain(short);
        let why = whys.collect::<Vec<_>>().join("; ");
        let (taken, held) = (stream.taken.to_string(), stream.held.to_string());
        let last = ago(stream.last_pass, now);
        vec![account.name.clone(), stream.stream.clone(), stream.state.clone(), last, lag, taken, held, why]
    };
    account.streams.iter().map(row).collect()
}

/// Requests of the last minute; only a running instance knows them.
fn budget_row(account: &AccountReport, now: Millis) -> Option<Vec<String>> {
    let budget = account.budget.as_ref()?;
    let paused = budget.paused_until.map_or_else(|| "-".to_owned(), |until| words::duration(until.since(now)));
    let numbers = [budget.used, budget.ceiling, budget.foreign, budget.limit].map(|number| number.to_string());
    Some(std::iter::once(account.name.clone()).chain(numbers).chain([paused]).collect())
}

fn sink_row(sink: &SinkReport, now: Millis) -> Vec<String> {
    let lasts = |since: Millis| words::duration(now.since(since));
    let state = match (sink.failing_since, sink.works) {
        (Some(since), _) if sink.stopped => format!("stopped for {}", lasts(since)),
        (Some(since), _) => format!("down for {}", lasts(since)),
        (None, Some(true)) => "works".to_owned(),
        (None, Some(false)) => "starting".to_owned(),
        (None, None) => "-".to_owned(),
    };
    let oldest = ago(sink.oldest, now);
    vec![sink.name.clone(), state, sink.backlog.to_string(), oldest, sink.last_error.clone().unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report with every kind of trouble.
    fn report() -> Report {
        let at = Millis(1_795_212_345_678);
        let before = |seconds| Some(at.minus(Duration::from_secs(seconds)));
        let stream = StreamReport {
            stream: "alerts".into(),
            state: "idle".into(),
            last_pass: before(12),
            lag_seconds: Some(12),
            taken: 30_000,
            stretched_to_seconds: Some(120),
            ..StreamReport::default()
        };
        let budget = BudgetReport {
            used: 12,
            ceiling: 480,
            foreign: 7,
            limit: 600,
            paused_until: Some(at.plus(Duration::from_secs(45))),
        };
        let acme = AccountReport {
            name: "acme".into(),
            uid: Some("0b9d".into()),
            unreachable_since: before(200),
            last_error: Some("h.example:443: no connection: refused".into()),
            retry_at: Some(at.plus(Duration::from_secs(5))),
            budget: Some(budget),
            streams: vec![stream],
            ..AccountReport::default()
        };
        let other = AccountReport {
            name: "other".into(),
            problem: Some("cannot reach g.example:443".into()),
            retry_at: Some(at.plus(Duration::from_secs(30))),
            ..AccountReport::default()
        };
        let siem = SinkReport {
            name: "siem".into(),
            works: Some(true),
            failing_since: before(3725),
            last_error: Some("no broker".into()),
            backlog: 29,
            oldest: before(3800),
            ..SinkReport::default()
        };
        let journal = JournalReport {
            used_bytes: 602_112,
            limit_bytes: 10 << 30,
            held_records: 1,
            dead_letters: 2,
            state_bytes: 204_800,
            ..JournalReport::default()
        };
        let (accounts, sinks) = (vec![acme, other], vec![siem]);
        let version = "0.1.0".to_owned();
        Report { version, started: before(11_100), at, accounts, sinks, journal, ..Report::default() }
    }

    /// People read times as how long ago, sizes with units, and no stamp with milliseconds.
    #[test]
    fn a_report_for_people_has_durations_and_units() {
        insta::assert_snapshot!(human(&report()));
    }
}
