//! What goes wrong on demand: rules that replace, cut or alter answers, by path, by count or by chance.

pub(crate) mod alter;
pub(crate) mod inject;

use std::time::Duration;

use serde::Deserialize;

/// The faults in force.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Of those that replace the answer the first that strikes wins. Of the others all apply, as far as the true answer
    /// is still there.
    pub rules: Vec<Rule>,
}

/// One fault and when it strikes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What goes wrong.
    pub kind: Fault,
    /// Strikes only paths that start with this, e.g. `/api/v2/account/alerts/open`; only that very path if it ends in `$`.
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
    /// `status` (default 500) with an error as JSON; with `text` as its body, if there is one.
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
    /// The place in the list that a call asks for is ignored: every page is the first.
    IgnoresPlace,
    /// `nextPageUrl` always leads on: to the next number, or to a cursor that was never given before.
    AlwaysNext,
    /// `pageDetails` is null.
    NoDetails,
    /// Every item has an id that was never shown before.
    NewIds,
    /// No `totalCount`.
    NoTotalCount,
    /// The last row of the page is missing; its counts stay.
    MissingRow,
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
    /// Instead of the items as many empty objects as fit into `bytes` (default 29 MiB).
    TinyItems,
    /// One more item, a copy of the first with as many keys more as fit into `bytes` (default 29 MiB).
    ItemManyKeys,
    /// One more item, a copy of the first with as many lists in each other as fit into `bytes` (default 29 MiB).
    ItemDeep,
    /// One more item, a copy of the first whose `details` are a text with as many keys as fit into `bytes` (default 29 MiB).
    ItemManyDetails,
}

impl Faults {
    /// Everything that passes by itself, each striking this share of the requests: server errors, resets, cut bodies, HTML.
    pub fn passing(share: f64) -> Self {
        let kinds = [
            Rule::new(Fault::Status).status(500),
            Rule::new(Fault::Status).status(504),
            Rule::new(Fault::Html),
            Rule::new(Fault::Empty),
            Rule::new(Fault::Reset),
            Rule::new(Fault::Truncate),
            Rule::new(Fault::RepeatedRow),
        ];
        Self { rules: kinds.into_iter().map(|rule| Rule { share, ..rule }).collect() }
    }
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

    /// Whether `path` is one of those that it strikes.
    pub(crate) fn is_for(&self, path: &str) -> bool {
        match self.path.strip_suffix('$') {
            Some(whole) => path == whole,
            None => path.starts_with(self.path.as_str()),
        }
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

    /// The same with a number of bytes.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = Some(bytes);
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

/// Which part of an answer a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it: something else comes instead.
    Whole,
    /// Its way to the client.
    Way,
    /// The page in it.
    Page,
}

impl Fault {
    /// The part that it strikes.
    pub(crate) fn part(self) -> Part {
        match self {
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
            | Self::HugeBody => Part::Whole,
            Self::Truncate | Self::SlowAnswer | Self::SlowBody => Part::Way,
            Self::ActivityError
            | Self::NextElsewhere
            | Self::NextSame
            | Self::NextForgets
            | Self::EmptyPage
            | Self::IgnoresPlace
            | Self::AlwaysNext
            | Self::NoDetails
            | Self::NewIds
            | Self::NoTotalCount
            | Self::MissingRow
            | Self::RepeatedRow
            | Self::NullFields
            | Self::ItemNoObject
            | Self::ItemWithoutId
            | Self::ItemDuplicateKey
            | Self::ItemInvalidUtf8
            | Self::ItemHugeNumber
            | Self::TinyItems
            | Self::ItemManyKeys
            | Self::ItemDeep
            | Self::ItemManyDetails => Part::Page,
        }
    }
}

fn always() -> f64 {
    1.0
}
