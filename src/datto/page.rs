//! Pages of a list: how one is asked for, cut into items, and followed by the next.
//!
//! Items stay undecoded. What cannot be told from an empty list with certainty is a failure, never an empty list: taken
//! for empty, it would make every alert vanish.

use serde_json::value::RawValue;
use url::Url;

use super::endpoint::{API_ROOT, is_platform};
use super::model::object::{Fields, text_of};
use crate::clock::Millis;

pub(crate) mod items;

/// Largest page that the API gives (datto-rmm-api.md section 5.1).
const PAGE_SIZE: u32 = 250;
/// The parameters that move through a list; all others stay as they were asked.
const PAGE: &str = "page";
const SEARCH_AFTER: &str = "searchAfter";
/// Longest part of an address that a message shows, in characters.
const MAX_SHOWN: usize = 200;
/// Longest address of a next page, and most bytes of the parameters of a request; a cursor has less than a hundred.
const MAX_ADDRESS: usize = 8 * 1024;

/// One page to ask for. Make the first with [`PageRequest::list`] or [`PageRequest::activity`]; each page names the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    path: String,
    array: &'static str,
    query: Vec<(String, String)>,
    paging: Paging,
    foreign: Option<String>,
}

/// How a list is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paging {
    /// By page number, counted from 0.
    Offset,
    /// By the cursor that the API gives.
    Cursor,
}

/// One page.
#[derive(Clone, Debug)]
pub struct ListPage {
    /// Its items, as received.
    pub items: Vec<Box<RawValue>>,
    /// The next page; `None` at the end of the list. Stop also at a page without items, and at a request whose
    /// [`PageRequest::key`] was asked before.
    pub next: Option<PageRequest>,
    /// Items in the whole list, where the API tells.
    pub total_count: Option<u64>,
    /// When the answer was received.
    pub received_at: Millis,
}

/// A page as it stands in an answer.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) items: Vec<Box<RawValue>>,
    pub(super) next: Option<PageRequest>,
    pub(super) total_count: Option<u64>,
}

impl PageRequest {
    /// The first page of an ordinary list, e.g. `("/v2/account/alerts/open", "alerts")`.
    pub fn list(path: &str, array: &'static str) -> Self {
        let query = vec![("max".to_owned(), PAGE_SIZE.to_string()), (PAGE.to_owned(), "0".to_owned())];
        Self { path: path.to_owned(), array, query, paging: Paging::Offset, foreign: None }
    }

    /// The first page of the activity log from `from` to `until`, oldest first; both have a resolution of one second.
    pub fn activity(from: Millis, until: Millis, size: u32) -> Self {
        let query = [
            ("from", from.to_rfc3339_seconds()),
            ("until", until.to_rfc3339_seconds()),
            ("size", size.to_string()),
            ("order", "asc".to_owned()),
        ];
        let query = query.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let path = "/v2/activity-logs".to_owned();
        Self { path, array: "activities", query, paging: Paging::Cursor, foreign: None }
    }

    /// The field that identifies an item of the list.
    pub fn id_field(&self) -> &'static str {
        match self.array {
            "alerts" => "alertUid",
            "activities" => "id",
            _ => "uid",
        }
    }

    /// Whether pages have numbers, so that the first one can be asked for again at any time.
    pub fn is_numbered(&self) -> bool {
        self.paging == Paging::Offset
    }

    /// The same with a filter more, e.g. `("entities", "user")`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Path of the list, for records and messages.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The parameters.
    pub fn query(&self) -> &[(String, String)] {
        &self.query
    }

    /// Equal for requests that ask for the same page, whatever the order of their parameters. The values of a repeated
    /// parameter keep their order: a cursor may be made of several.
    pub fn key(&self) -> String {
        let mut query: Vec<&(String, String)> = self.query.iter().collect();
        query.sort_by_key(|(name, _)| name);
        // A page elsewhere is none of this list's: it must not pass for one that was read.
        format!("{}?{query:?} {:?}", self.path, self.foreign)
    }

    /// Where the list goes on instead, if that is not this list on this host.
    pub(super) fn foreign_target(&self) -> Option<&str> {
        self.foreign.as_deref()
    }

    /// The page after this one, by the address that the API gave.
    ///
    /// The address is data. It must point to the same list on the same host; of its parameters only the cursor and those
    /// that were never asked for count, since it drops some (datto-rmm-api.md section 5.1) and a changed one would make the
    /// list another. Numbered pages are simply counted on, so that no address can skip a page or lead back.
    fn following(&self, root: &Url, address: &str) -> Result<Self, String> {
        if address.len() > MAX_ADDRESS {
            return Err(format!(
                "the next page's address has {} bytes, at most {MAX_ADDRESS} are taken",
                address.len()
            ));
        }
        let Ok(url) = root.join(address) else { return Err("the next page's address cannot be read".to_owned()) };
        let mut next = self.clone();
        if !self.is_same_list(root, &url) {
            next.foreign = Some(shown(&url));
            return Ok(next);
        }
        let given: Vec<(String, String)> = url.query_pairs().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
        next.query.retain(|(name, _)| !moves(name));
        next.query.extend(self.place(&given)?);
        let added =
            given.into_iter().filter(|(name, _)| !moves(name) && !self.query.iter().any(|(known, _)| known == name));
        next.query.extend(added);
        let bytes: usize = next.query.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
        if bytes > MAX_ADDRESS {
            return Err(format!("the next page's address adds parameters without end: {bytes} bytes of them"));
        }
        Ok(next)
    }

    /// The parameters that lead to the next page, by those of the address that the API gave.
    fn place(&self, given: &[(String, String)]) -> Result<Vec<(String, String)>, String> {
        match self.paging {
            Paging::Offset => {
                let page = given.iter().find(|(name, _)| name == PAGE).map(|(_, page)| page.clone());
                let token = page.filter(|page| page.parse::<u64>().is_err());
                Ok(vec![(PAGE.to_owned(), token.unwrap_or_else(|| self.next_number()))])
            }
            Paging::Cursor => {
                // One value, or several under the same name (datto-rmm-api.md section 10): all are sent on, as they came.
                let cursor = given.iter().filter(|(name, _)| name == SEARCH_AFTER);
                let mut place: Vec<(String, String)> = cursor.cloned().collect();
                if place.iter().all(|(_, value)| value.trim().is_empty()) {
                    return Err("the next page's address holds no cursor".to_owned());
                }
                place.push((PAGE.to_owned(), "next".to_owned()));
                Ok(place)
            }
        }
    }

    fn is_same_list(&self, root: &Url, url: &Url) -> bool {
        is_same_service(root, url)
            && url.username().is_empty()
            && url.password().is_none()
            && url.path().strip_prefix(API_ROOT) == Some(&self.path)
    }

    fn next_number(&self) -> String {
        let current = self.query.iter().find(|(name, _)| name == PAGE).and_then(|(_, page)| page.parse::<u64>().ok());
        current.unwrap_or(0).saturating_add(1).to_string()
    }
}

/// Why an answer cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// What is wrong with it.
    pub(super) reason: String,
    /// Whether another answer would have it too.
    pub(super) is_lasting: bool,
}

impl From<String> for Flaw {
    fn from(reason: String) -> Self {
        Self { reason, is_lasting: false }
    }
}

/// Cuts an answer into items. The error says what is wrong with it.
pub(super) fn slice(body: &str, request: &PageRequest, root: &Url) -> Result<Slice, Flaw> {
    let Fields(fields) =
        serde_json::from_str(body).map_err(|error| format!("the answer is not a whole object: {error}"))?;
    let envelope = Envelope(fields);
    if let Some(error) = envelope.one("error")?.filter(|raw| !is_blank(raw)) {
        let said = text_of(error.get()).unwrap_or(error.get().into());
        return Err(format!("the API says that it failed: {said}").into());
    }
    let details = envelope.one("pageDetails")?.map(|raw| serde_json::from_str::<Fields<'_>>(raw.get()));
    let details = match details {
        None => None,
        Some(Ok(Fields(details))) => Some(Envelope(details)),
        Some(Err(_)) => return Err("`pageDetails` is not an object".to_owned().into()),
    };
    let number = |name: &str| -> Result<Option<u64>, String> {
        let raw = details.as_ref().map(|details| details.one(name)).transpose()?.flatten();
        Ok(raw.and_then(|raw| text_of(raw.get()).unwrap_or(raw.get().into()).parse().ok()))
    };
    let next_url = details.as_ref().map(|details| details.one("nextPageUrl")).transpose()?.flatten();
    let next_url = next_url.filter(|raw| text_of(raw.get()).is_none_or(|url| !url.trim().is_empty()));
    let is_cursor = request.paging == Paging::Cursor;
    let items = match envelope.one(request.array)? {
        Some(raw) => items::read(raw, request.array)?,
        // An empty list may come as null, but only with a word that it is empty.
        None if number("count")? == Some(0) && (is_cursor || next_url.is_none()) => Vec::new(),
        None => return Err(format!("`{}` is missing", request.array).into()),
    };
    let next = match (&details, next_url) {
        // Behind the last row there is no other, and what such a page says about its next one is unknown: null, nothing,
        // itself, or an address without a cursor (datto-rmm-api.md section 10).
        _ if is_cursor && items.is_empty() => None,
        (_, Some(raw)) => {
            let address = text_of(raw.get()).ok_or_else(|| "`nextPageUrl` is not a text".to_owned())?;
            Some(request.following(root, &address)?)
        }
        (Some(_), None) => None,
        (None, None) => request.next_without_details(root, items.len())?,
    };
    Ok(Slice { items, next, total_count: number("totalCount")? })
}

impl PageRequest {
    /// Without `pageDetails` nobody knows whether the list goes on: numbered pages are asked for until one is empty.
    fn next_without_details(&self, root: &Url, items: usize) -> Result<Option<Self>, String> {
        if items == 0 {
            return Ok(None);
        }
        match self.paging {
            Paging::Offset => self.following(root, &format!("{API_ROOT}{}", self.path)).map(Some),
            Paging::Cursor => Err("`pageDetails` is missing".to_owned()),
        }
    }
}

/// Fields of which none may occur twice: one of two lists would be lost.
struct Envelope<'a>(Vec<(std::borrow::Cow<'a, str>, &'a RawValue)>);

impl<'a> Envelope<'a> {
    /// The value of a field; `None` if it is missing or null.
    fn one(&self, name: &str) -> Result<Option<&'a RawValue>, String> {
        let mut found = self.0.iter().filter(|(key, _)| key == name);
        let first = found.next();
        match found.next() {
            Some(_) => Err(format!("`{name}` occurs twice")),
            None => Ok(first.map(|(_, raw)| *raw).filter(|raw| raw.get() != "null")),
        }
    }
}

/// Whether a parameter says where in the list a page stands.
fn moves(name: &str) -> bool {
    name == PAGE || name == SEARCH_AFTER
}

/// Whether an address stands for the service at `root`. A gateway passes on the addresses that the platform behind it
/// writes: with the platform's public host, or with the gateway's own host as the platform sees it (another scheme or port).
/// Nothing is ever sent to such an address: the next page is asked for at `root`.
fn is_same_service(root: &Url, url: &Url) -> bool {
    let is_web = matches!(url.scheme(), "http" | "https");
    let is_equal = url.scheme() == root.scheme()
        && url.host() == root.host()
        && url.port_or_known_default() == root.port_or_known_default();
    let is_of_gateway = !is_platform(root) && is_web && (url.host() == root.host() || is_platform(url));
    is_equal || is_of_gateway
}

fn is_blank(raw: &RawValue) -> bool {
    matches!(raw.get(), "null" | "false" | "{}" | "[]") || text_of(raw.get()).is_some_and(|text| text.trim().is_empty())
}

/// An address without what may be secret in it, shortened.
fn shown(url: &Url) -> String {
    let whole = format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path());
    whole.chars().take(MAX_SHOWN).collect()
}
