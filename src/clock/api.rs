//! The clocks of the APIs, which date source records, compared with this machine's.
//!
//! Each `Date` header gives an interval that the API's clock was in when the answer arrived. It is carried on by monotonic time, so a
//! step of this machine's clock does not move it. An interval less than a day from this machine's clock is *trusted*; a trusted one
//! stays so, by monotonic time, when the two clocks part later.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{Clock, Millis};

#[cfg(test)]
mod tests;

/// From this difference on an operator should set the clock.
pub const NOTABLE: Duration = Duration::from_secs(60);

/// From this difference on nothing is decided that cannot be taken back.
pub const APART: Duration = Duration::from_secs(24 * 3600);

/// How an API's clock and this machine's compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Agreement {
    /// No answer has come yet.
    #[default]
    Unknown,
    /// Answers came, and none had a `Date` that can be read.
    Undated,
    /// They differ by less than [`NOTABLE`].
    Agrees,
    /// They differ by [`NOTABLE`] or more: the API's counts.
    Differs,
    /// They differ by [`APART`] or more: either may be wrong.
    Apart,
}

/// The comparison of one API's clock with this machine's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// How they compare.
    pub agreement: Agreement,
    /// The API's clock less this machine's in milliseconds, as far as it is proven.
    pub ahead_ms: i64,
    /// Whether an operator declared this machine's clock to be right, and it did not jump since.
    pub is_accepted: bool,
}

/// The time of an API, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceTime {
    /// The best guess; `None` if no clock can be trusted.
    pub now: Option<Millis>,
    /// A time that has certainly come; `None` if no clock can be trusted.
    pub earliest: Option<Millis>,
    /// The latest time that any clock shows.
    pub latest: Millis,
}

/// What is known of all APIs.
#[derive(Debug, Default)]
pub(super) struct Apis {
    accounts: BTreeMap<String, Api>,
    /// This machine's clock when an operator accepted it.
    accepted: Option<Reading>,
}

#[derive(Debug, Default)]
struct Api {
    /// By the last answer with a date.
    shown: Option<Reading>,
    /// The last of these that was less than a day from this machine's clock.
    trusted: Option<Reading>,
    agreement: Agreement,
}

/// What a clock showed at a moment of monotonic time: something in this interval of milliseconds.
#[derive(Clone, Copy, Debug)]
struct Reading {
    earliest: i64,
    latest: i64,
    at: Instant,
}

/// `Date` names whole seconds, cut off.
const RESOLUTION_MS: i64 = 999;

impl Comparison {
    /// Whether nothing may be decided that cannot be taken back: the cut of a first start, expiry, trimming.
    pub fn refuses(&self) -> bool {
        let is_open = matches!(self.agreement, Agreement::Unknown | Agreement::Undated | Agreement::Apart);
        is_open && !self.is_accepted
    }

    /// What is wrong between the clocks, for people; `None` while they agree to the minute.
    pub fn problem(&self) -> Option<String> {
        let Self { agreement, ahead_ms, .. } = self;
        match agreement {
            Agreement::Unknown | Agreement::Agrees => None,
            Agreement::Undated => Some("the API's answers have no readable `Date`".to_owned()),
            Agreement::Differs | Agreement::Apart => {
                let side = if *ahead_ms < 0 { "ahead of" } else { "behind" };
                Some(format!("this machine's clock is {} {side} the API's", span(ahead_ms.unsigned_abs())))
            }
        }
    }
}

impl Agreement {
    /// The word that `status` shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Undated => "undated",
            Self::Agrees => "agrees",
            Self::Differs => "differs",
            Self::Apart => "apart",
        }
    }
}

impl Clock {
    /// Takes in an answer of the API of `account` to a request that was sent at `sent`: `date` as its header names it. Returns the
    /// comparison before and now.
    pub fn note_answer(&self, account: &str, date: Option<Millis>, sent: Instant) -> (Agreement, Comparison) {
        let (local, at) = (self.now(), Instant::now());
        let mut apis = self.apis();
        let api = apis.accounts.entry(account.to_owned()).or_default();
        if let Some(date) = date {
            let way = i64::try_from(at.saturating_duration_since(sent).as_millis()).unwrap_or(i64::MAX);
            let latest = date.0.saturating_add(RESOLUTION_MS).saturating_add(way);
            let reading = Reading { earliest: date.0, latest, at };
            api.shown = Some(reading.unless_known(api.shown));
            if !is_apart(reading.ahead_of(local)) {
                api.trusted = Some(reading.unless_known(api.trusted));
            }
        }
        let before = api.agreement;
        let comparison = apis.compare(account, local, true);
        if let Some(api) = apis.accounts.get_mut(account) {
            api.agreement = comparison.agreement;
        }
        (before, comparison)
    }

    /// How the clock of the API of `account` and this machine's compare now.
    pub fn compare(&self, account: &str) -> Comparison {
        let local = self.now();
        self.apis().compare(account, local, false)
    }

    /// The time of the API of `account`.
    pub fn source_time(&self, account: &str) -> SourceTime {
        let local = self.now();
        let apis = self.apis();
        let comparison = apis.compare(account, local, false);
        let (shown, trusted) = apis.accounts.get(account).map_or((None, None), |api| (api.shown, api.trusted));
        let (shown, trusted) = (shown.map(Reading::now), trusted.map(Reading::now));
        let latest = [shown, trusted].into_iter().flatten().map(|(_, latest)| Millis(latest)).fold(local, Millis::max);
        let is_near = matches!(comparison.agreement, Agreement::Agrees | Agreement::Differs);
        match trusted {
            _ if comparison.is_accepted && !is_near => SourceTime { now: Some(local), earliest: Some(local), latest },
            Some((first, last)) => {
                let now = Millis(local.0.clamp(first, last));
                SourceTime { now: Some(now), earliest: Some(Millis(first)), latest }
            }
            None => SourceTime { now: None, earliest: None, latest },
        }
    }

    /// The time under which something is stored: the latest that any clock shows, since what is stored under a time that has not come
    /// is kept too long at worst.
    pub fn stamp(&self) -> Millis {
        let local = self.now();
        let apis = self.apis();
        apis.accounts.values().filter_map(|api| api.shown).map(|shown| Millis(shown.now().0)).fold(local, Millis::max)
    }

    /// The time by which something may be removed for its age: the earliest that any clock shows. `None` while an API's clock and this
    /// machine's are a day or more apart, or no API has shown its clock, unless an operator accepted this machine's.
    pub fn removal_time(&self) -> Option<Millis> {
        let local = self.now();
        let apis = self.apis();
        let shown = || apis.accounts.values().filter_map(|api| api.shown);
        let is_safe = shown().next().is_some() && !shown().any(|shown| is_apart(shown.ahead_of(local)));
        let near = shown().filter(|shown| !is_apart(shown.ahead_of(local))).map(|shown| Millis(shown.now().0));
        (is_safe || apis.is_accepted(local)).then(|| near.fold(local, Millis::min))
    }

    /// An operator declares this machine's clock to be right: where an API's is a day or more away or unknown, this one counts from now
    /// on, until it jumps.
    pub fn accept(&self) {
        let local = self.now().0;
        self.apis().accepted = Some(Reading { earliest: local, latest: local, at: Instant::now() });
    }
}

impl Apis {
    /// `has_answered`: an answer is being taken in, with or without a date.
    fn compare(&self, account: &str, local: Millis, has_answered: bool) -> Comparison {
        let is_accepted = self.is_accepted(local);
        let Some(api) = self.accounts.get(account) else { return Comparison { is_accepted, ..Comparison::default() } };
        let Some(shown) = api.shown else {
            let agreement = if has_answered { Agreement::Undated } else { api.agreement };
            return Comparison { agreement, ahead_ms: 0, is_accepted };
        };
        let ahead_ms = shown.ahead_of(local);
        let apart = Duration::from_millis(ahead_ms.unsigned_abs());
        // One that has differed agrees again only well below the bound: no change to and fro with each answer.
        let bound = if api.agreement == Agreement::Differs { NOTABLE / 2 } else { NOTABLE };
        let agreement = match apart {
            _ if is_apart(ahead_ms) => Agreement::Apart,
            _ if apart >= bound => Agreement::Differs,
            _ => Agreement::Agrees,
        };
        Comparison { agreement, ahead_ms, is_accepted }
    }

    fn is_accepted(&self, local: Millis) -> bool {
        self.accepted.is_some_and(|accepted| !is_apart(accepted.ahead_of(local)))
    }
}

impl Reading {
    /// The interval now.
    fn now(self) -> (i64, i64) {
        let passed = i64::try_from(self.at.elapsed().as_millis()).unwrap_or(i64::MAX);
        (self.earliest.saturating_add(passed), self.latest.saturating_add(passed))
    }

    /// How far the clock is certainly ahead of `local` now; negative: behind.
    fn ahead_of(self, local: Millis) -> i64 {
        let (earliest, latest) = self.now();
        local.0.clamp(earliest, latest).saturating_sub(local.0)
    }

    /// `known`, if that says the same more exactly.
    fn unless_known(self, known: Option<Self>) -> Self {
        let (earliest, latest) = self.now();
        let is_better = |known: &Self| known.now().0 >= earliest && known.now().1 <= latest;
        known.filter(is_better).unwrap_or(self)
    }
}

fn is_apart(ahead_ms: i64) -> bool {
    u128::from(ahead_ms.unsigned_abs()) >= APART.as_millis()
}

/// A span in its largest unit, for people.
fn span(ms: u64) -> String {
    match ms.saturating_add(30_000) / 60_000 {
        minutes @ 2_880.. => format!("{} days", minutes / 1_440),
        minutes @ 120.. => format!("{} hours", minutes / 60),
        minutes => format!("{minutes} min"),
    }
}
