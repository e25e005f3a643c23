//! What goes wrong on demand: rules that replace, cut or alter answers, by path, by count or by chance.

pub(crate) mod alter;

use std::time::Duration;

use serde::Deserialize;

use crate::sim::dice::{Dice, Topic, chance};

/// The faults in force.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Applied in order. Of those that replace the answer the first wins; of the others all apply.
    pub rules: Vec<Rule>,
}

/// One fault and when it strikes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What goes wrong.
    pub kind: Fault,
    /// Strikes only paths that start with this, e.g. `/api/v2/account/alerts/open`.
    #[serde(default)]
    pub path: String,
    /// Strikes only queries that contain this, e.g. `page=2`.
    #[serde(default)]
    pub query: String,
    /// Lets this many matching requests pass first.
    #[serde(default)]
    pub after: u32,
    /// Strikes this often, then never again; without it, for ever.
    #[serde(default)]
    pub times: Option<u32>,
    /// Strikes this share of the matching requests, by the world's seed.
    #[serde(default = "always")]
    pub share: f64,
    /// A status, where the kind takes one.
    #[serde(default)]
    pub status: Option<u16>,
    /// A number of bytes, where the kind takes one.
    #[serde(default)]
    pub bytes: Option<usize>,
    /// A number of milliseconds, where the kind takes one.
    #[serde(default)]
    pub millis: Option<u64>,
    /// A text, where the kind takes one.
    #[serde(default)]
    pub text: Option<String>,
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// `status` (default 500) with a JSON body.
    Status,
    /// `status` (default 200) with an HTML page, as a firewall or a login page would answer.
    Html,
    /// `status` (default 200) with an empty body.
    Empty,
    /// The connection breaks before an answer.
    Reset,
    /// 401, although the token works.
    Unauthorized,
    /// 403 as JSON: the user may not read this.
    Forbidden,
    /// 403 as HTML: the address is blocked. Unlike a real block it strikes only what the rule says.
    BlockHtml,
    /// The same with an empty body.
    BlockEmpty,
    /// 429 with `text` as `Retry-After`; without `text` none.
    TooMany,
    /// 302 to `text` (default another host).
    Redirect,
    /// A tiny gzip body that grows to `bytes` (default 64 MiB).
    GzipBomb,
    /// A plain body of `bytes` (default 48 MiB).
    HugeBody,

    /// The true body, cut off after `bytes` (default half of it).
    Truncate,
    /// The answer comes `millis` (default 5000) later.
    SlowAnswer,
    /// The body trickles in over `millis` (default 5000).
    SlowBody,

    /// An activity page with `error` set to `text` and without rows.
    ActivityError,
    /// `nextPageUrl` points to the host `text` (default `https://elsewhere.example`).
    NextElsewhere,
    /// `nextPageUrl` is the URL of the page itself.
    NextSame,
    /// `nextPageUrl` forgets every parameter but the place.
    NextForgets,
    /// A page without items whose `nextPageUrl` still leads on.
    EmptyPage,
    /// No `totalCount`.
    NoTotalCount,
    /// The first row of the page comes twice.
    RepeatedRow,
    /// The field `text` of every item is null; without `text` one field of each item in turn, never its id.
    NullFields,
    /// One more item that is no object.
    ItemNoObject,
    /// One more item, a copy of the first without its id.
    ItemWithoutId,
    /// One more item, a copy of the first with a key twice.
    ItemDuplicateKey,
    /// One more item, a copy of the first with a byte that is not UTF-8.
    ItemInvalidUtf8,
    /// One more item, a copy of the first with a number that fits nowhere.
    ItemHugeNumber,
}

/// What strikes one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strike {
    /// The fault whose answer replaces the true one.
    pub(crate) instead: Option<Rule>,
    /// Faults that alter the true one.
    pub(crate) alter: Vec<Rule>,
}

/// The rules in force, with what they have done so far.
#[derive(Debug, Default)]
pub(crate) struct Injector {
    rules: Vec<(Rule, Progress)>,
    draws: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    matched: u32,
    struck: u32,
}

impl Rule {
    /// A rule that strikes every request.
    pub fn new(kind: Fault) -> Self {
        Self {
            kind,
            path: String::new(),
            query: String::new(),
            after: 0,
            times: None,
            share: always(),
            status: None,
            bytes: None,
            millis: None,
            text: None,
        }
    }

    /// The same for paths that start with `path`.
    pub fn on(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// The same, at most `times` times.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// The same with a status.
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The same with a text.
    pub fn text(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self
    }

    /// `millis`, or five seconds.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_millis(self.millis.unwrap_or(5000))
    }
}

impl Fault {
    /// Whether the answer is something else than the true one.
    fn replaces(self) -> bool {
        matches!(
            self,
            Self::Status
                | Self::Html
                | Self::Empty
                | Self::Reset
                | Self::Unauthorized
                | Self::Forbidden
                | Self::BlockHtml
                | Self::BlockEmpty
                | Self::TooMany
                | Self::Redirect
                | Self::GzipBomb
                | Self::HugeBody
        )
    }
}

impl Injector {
    /// Forgets all rules and puts these in force.
    pub(crate) fn replace(&mut self, faults: Faults) {
        self.rules.clear();
        self.add(faults.rules);
    }

    /// Puts more rules in force.
    pub(crate) fn add(&mut self, rules: Vec<Rule>) {
        self.rules.extend(rules.into_iter().map(|rule| (rule, Progress::default())));
    }

    /// What strikes the request for `path` with `query`.
    pub(crate) fn strike(&mut self, path: &str, query: &str, dice: Dice) -> Strike {
        let mut strike = Strike::default();
        for (rule, progress) in &mut self.rules {
            let matches = path.starts_with(rule.path.as_str()) && query.contains(rule.query.as_str());
            let beaten = rule.kind.replaces() && strike.instead.is_some();
            if !matches || beaten || rule.times.is_some_and(|times| progress.struck >= times) {
                continue;
            }
            progress.matched = progress.matched.saturating_add(1);
            self.draws += 1;
            if progress.matched <= rule.after || !chance(&mut dice.roll(Topic::Fault, self.draws), rule.share) {
                continue;
            }
            progress.struck = progress.struck.saturating_add(1);
            if rule.kind.replaces() {
                strike.instead = Some(rule.clone());
            } else {
                strike.alter.push(rule.clone());
            }
        }
        strike
    }
}

fn always() -> f64 {
    1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(injector: &mut Injector, path: &str, query: &str) -> Option<Fault> {
        injector.strike(path, query, Dice::new(1)).instead.map(|rule| rule.kind)
    }

    #[test]
    fn rules_read_from_json_count_down_and_are_beaten_by_earlier_ones() {
        let json = r#"{"rules": [
            {"kind": "status", "status": 503, "times": 2, "after": 1, "path": "/api/v2/account/alerts/open"},
            {"kind": "unauthorized", "query": "page=2"}
        ]}"#;
        let mut injector = Injector::default();
        injector.replace(serde_json::from_str(json).unwrap());
        let open = "/api/v2/account/alerts/open";
        let seen: Vec<_> = (0..4).map(|_| strikes(&mut injector, open, "max=250&page=2")).collect();
        let expected = [Fault::Unauthorized, Fault::Status, Fault::Status, Fault::Unauthorized].map(Some);
        assert_eq!(seen, expected);
        assert_eq!(strikes(&mut injector, "/api/v2/account", ""), None);
    }

    #[test]
    fn a_share_strikes_about_so_often() {
        let mut injector = Injector::default();
        injector.add(vec![Rule { share: 0.25, ..Rule::new(Fault::Reset) }]);
        let hits = (0..2000).filter(|_| strikes(&mut injector, "/x", "").is_some()).count();
        assert!((400..600).contains(&hits), "{hits}");
    }

    #[test]
    fn unknown_keys_and_kinds_are_refused() {
        assert!(serde_json::from_str::<Rule>(r#"{"kind": "reset", "often": 1}"#).is_err());
        assert!(serde_json::from_str::<Rule>(r#"{"kind": "gremlins"}"#).is_err());
    }
}
