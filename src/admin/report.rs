//! What `/status` and `vintner status --json` show.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::clock::api::Comparison;

/// A moment of the whole program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// vintner's version.
    pub version: String,
    /// When the running instance started; absent when it is read from the journal of a stopped one.
    pub started: Option<Millis>,
    /// When the report was made.
    pub at: Millis,
    /// One entry for each account.
    pub accounts: Vec<AccountReport>,
    /// One entry for each sink.
    pub sinks: Vec<SinkReport>,
    /// The journal.
    pub journal: JournalReport,
    /// What the accounts showed that no document told.
    #[serde(default)]
    pub drift: Vec<DriftReport>,
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountReport {
    /// Its configured name.
    pub name: String,
    /// Its uid at Datto, once known.
    pub uid: Option<String>,
    /// Its platform or host.
    pub platform: String,
    /// Why it is not connected, if it is not.
    pub problem: Option<String>,
    /// Since when its API cannot be reached, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable_since: Option<Millis>,
    /// Why the last request of that outage failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When it is tried again, where it waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Millis>,
    /// How its API's clock and this machine's compare; absent when no instance runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockReport>,
    /// Its request budget.
    pub budget: Option<BudgetReport>,
    /// Its streams.
    pub streams: Vec<StreamReport>,
}

/// The API's clock, as the `Date` of its answers shows it, and this machine's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReport {
    /// `unknown` (no answer yet), `undated` (answers without a `Date`), `agrees`, `differs` (a minute or more), `apart` (a day or more).
    pub state: String,
    /// Seconds that the API's clock is ahead of this machine's; negative: behind.
    pub ahead_seconds: i64,
    /// Whether an operator accepted this machine's clock.
    pub accepted: bool,
    /// Whether no first start is fixed and nothing is removed for its age.
    pub refuses: bool,
    /// The difference in words, from a minute on.
    pub problem: Option<String>,
}

impl From<Comparison> for ClockReport {
    fn from(clocks: Comparison) -> Self {
        Self {
            state: clocks.agreement.as_str().to_owned(),
            ahead_seconds: clocks.ahead_ms / 1000,
            accepted: clocks.is_accepted,
            refuses: clocks.refuses(),
            problem: clocks.problem(),
        }
    }
}

/// Requests of the last 60 s.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetReport {
    /// Sent by this process.
    pub used: u32,
    /// Allowed to this process at present.
    pub ceiling: u32,
    /// Sent by others, as far as the API said.
    pub foreign: u32,
    /// The account's limit.
    pub limit: u32,
    /// End of a pause that the API asked for (429), or of a block of this address (403).
    pub paused_until: Option<Millis>,
}

/// A stream of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamReport {
    /// `alerts`, `activity` or `inventory`.
    pub stream: String,
    /// What it does.
    pub state: String,
    /// Why it waits or fails.
    pub reason: Option<String>,
    /// The panic that ended its task, until a pass is complete again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic: Option<String>,
    /// Begin of the last complete pass.
    pub last_pass: Option<Millis>,
    /// Seconds since then; before the first complete pass since its account began to collect.
    pub lag_seconds: Option<u64>,
    /// Passes in a row that failed.
    #[serde(default)]
    pub failures: u32,
    /// How long that pass took, in milliseconds.
    pub took_ms: u64,
    /// Requests that it cost.
    pub requests: u64,
    /// The interval in force in seconds, where the configured one had to be stretched.
    pub stretched_to_seconds: Option<u64>,
    /// Records taken in since the start.
    pub taken: u64,
    /// Records held since the start.
    pub held: u64,
    /// What the log showed of USER rows; of the activity stream only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_rows: Option<UserRowsReport>,
    /// How long its lists were when each was last read to its end.
    #[serde(default)]
    pub lists: Vec<ListReport>,
}

/// Whether the activity log shows USER rows: without the security level Administrator it may show DEVICE rows only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRowsReport {
    /// Since when they are reported missing.
    pub missing_since: Option<Millis>,
    /// When the log last showed one.
    pub user_shown: Option<Millis>,
    /// Date of the newest DEVICE row.
    pub newest_device: Option<Millis>,
}

/// Failed passes in a row after which a stream is not ready, if one was complete before.
const FAILURES: u32 = 3;

impl StreamReport {
    /// Why it does not collect, if it does not: its task panicked, its first pass failed, or several in a row.
    fn trouble(&self) -> Option<&str> {
        let is_first = self.last_pass.is_none();
        let fails = self.failures >= FAILURES || (self.failures > 0 && is_first);
        self.panic.as_deref().or_else(|| self.reason.as_deref().filter(|_| fails))
    }

    /// Why the stream's data is not all there, if it is not: USER rows are missing.
    pub fn lack(&self) -> Option<String> {
        let since = self.user_rows.as_ref()?.missing_since?.to_rfc3339_seconds();
        Some(format!(
            "no USER rows since {since}: the API user may lack the security level Administrator (log-ins, role changes, \
             API keys are missing)"
        ))
    }
}

/// One reading of a list to its end, and what the API says about its length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListReport {
    /// `sites`, `devices` or `open_alerts`.
    pub list: String,
    /// Distinct rows that were read.
    pub rows: u64,
    /// The list's own `totalCount`.
    pub total_count: Option<u64>,
    /// Of the device list: the account's `numberOfDevices`.
    pub account_devices: Option<u64>,
    /// Of the device list: the sum of the sites' `numberOfDevices`.
    pub site_devices: Option<u64>,
    /// Rows that it lacks by the largest of these counts.
    pub missing: u64,
    /// Whether what it does not show may be reported as gone.
    pub may_prove_absence: bool,
    /// The numbers in words, while it is short.
    pub shortage: Option<String>,
}

/// A sink.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkReport {
    /// Its configured name.
    pub name: String,
    /// Whether it ever worked; absent when no instance runs.
    pub works: Option<bool>,
    /// Since when it fails.
    pub failing_since: Option<Millis>,
    /// Whether it waits for an operator.
    #[serde(default)]
    pub stopped: bool,
    /// Its last error.
    pub last_error: Option<String>,
    /// Records behind its position.
    pub backlog: u64,
    /// When the oldest of them was taken in.
    pub oldest: Option<Millis>,
    /// Its position in each partition.
    pub positions: Vec<PositionReport>,
}

/// A sink's position in one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionReport {
    /// The account's uid.
    pub account: String,
    /// The lane.
    pub lane: String,
    /// Last delivered sequence.
    pub position: u64,
    /// Last sequence given out.
    pub head: u64,
}

/// Something undocumented that an account showed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftReport {
    /// The account's configured name; its uid where no configured account is connected to it.
    pub account: String,
    /// `alert context`, `activity category`, `activity action` or `field`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// In how many records it was.
    pub count: u64,
    /// The shape of the first one, without values.
    pub sample: String,
    /// First seen.
    pub first_at: Millis,
    /// Last seen.
    pub last_at: Millis,
}

/// The journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalReport {
    /// Bytes in use that count for the limit.
    pub used_bytes: u64,
    /// `journal.max_bytes`.
    pub limit_bytes: u64,
    /// Whether collectors wait for room.
    pub full: bool,
    /// Records held until their site is mapped.
    pub held_records: u64,
    /// Bytes of held records.
    pub held_bytes: u64,
    /// Dead letters waiting for an operator.
    pub dead_letters: u64,
    /// Dead letters of unreadable items that left for newer ones, since the journal was made.
    #[serde(default)]
    pub dead_letters_dropped: u64,
    /// Bytes that dead letters keep.
    #[serde(default)]
    pub dead_bytes: u64,
    /// Bytes of what collectors know (open alerts, inventory); they do not count for the limit.
    #[serde(default)]
    pub state_bytes: u64,
    /// What keeps the room of a full journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What the journal waits for (another program's lock), or why it can be used no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl Report {
    /// What keeps the program from being ready, one line each.
    pub fn unready(&self) -> Vec<String> {
        let accounts = self.accounts.iter().filter_map(|account| match (&account.problem, &account.uid) {
            (Some(problem), _) => Some(format!("account {}: {problem}", account.name)),
            (None, None) => Some(format!("account {}: not connected yet", account.name)),
            (None, Some(_)) => None,
        });
        // Clocks that are not known yet are no reason: the account is not connected then.
        let clocks = self.accounts.iter().filter_map(|account| {
            let clock = account.clock.as_ref().filter(|clock| clock.refuses && account.problem.is_none())?;
            let problem = clock.problem.as_ref()?;
            Some(format!("account {}: {problem}: nothing is removed for its age", account.name))
        });
        let streams = self.accounts.iter().flat_map(|account| {
            let line =
                |stream: &StreamReport| Some(format!("{} of {}: {}", stream.stream, account.name, stream.trouble()?));
            account.streams.iter().filter_map(line)
        });
        let sinks = self.sinks.iter().filter(|sink| sink.works == Some(false) || sink.failing_since.is_some());
        let sinks = sinks.map(|sink| match &sink.last_error {
            Some(error) => format!("sink {}: {error}", sink.name),
            None => format!("sink {}: not proven yet", sink.name),
        });
        let trouble = self.journal.trouble.iter().map(|trouble| format!("journal: {trouble}"));
        let journal = trouble.chain(self.journal.full.then(|| "the journal is full".to_owned()));
        accounts.chain(clocks).chain(streams).chain(sinks).chain(journal).collect()
    }
}
