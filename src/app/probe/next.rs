//! What a page says about its next one.

use std::collections::BTreeSet;

use serde_json::Value;
use url::Url;

/// The cursor of the activity log.
const CURSOR: &str = "searchAfter";

/// A parameter of a query, decoded.
pub type Pair = (String, String);

/// What `nextPageUrl` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It leads nowhere; the word says why.
    Nowhere(&'static str),
    /// It leads to a page of this list with this query.
    Leads(Vec<Pair>),
}

/// What is to be compared with the link: which page it stands in.
#[derive(Clone, Copy, Debug)]
pub struct Here<'a> {
    /// Host of the API.
    pub host: &'a str,
    /// Path of the list, without `/api`.
    pub path: &'a str,
    /// The query that was sent.
    pub query: &'a [Pair],
}

impl Next {
    /// Reads the link of a page.
    pub fn of(page: &Value, here: Here<'_>) -> Self {
        let Some(details) = page.get("pageDetails") else { return Self::Nowhere("no pageDetails") };
        let text = match details.get("nextPageUrl") {
            None => return Self::Nowhere("absent"),
            Some(Value::Null) => return Self::Nowhere("null"),
            Some(Value::String(text)) if text.trim().is_empty() => return Self::Nowhere("empty text"),
            Some(Value::String(text)) => text,
            Some(_) => return Self::Nowhere("not a text"),
        };
        let root = Url::parse(&format!("https://{}/", here.host));
        let Ok(url) = root.and_then(|root| root.join(text)) else { return Self::Nowhere("not an address") };
        if url.host_str() != Some(here.host) || url.path().strip_prefix("/api") != Some(here.path) {
            return Self::Nowhere("leads to another host or path");
        }
        Self::Leads(url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// Its form in a word.
    pub fn word(&self, here: Here<'_>) -> &'static str {
        match self {
            Self::Nowhere(word) => word,
            Self::Leads(query) if is_same(query, here.query) => "leads to the page itself",
            Self::Leads(query) if here.path.ends_with("activity-logs") && cursor(query).is_empty() => {
                "leads on without a cursor"
            }
            Self::Leads(_) => "leads on",
        }
    }
}

/// Whether a link asks for the page that it stands in, whatever it forgot of the query.
fn is_same(query: &[Pair], here: &[Pair]) -> bool {
    let place = |query: &[Pair]| -> BTreeSet<Pair> {
        query.iter().filter(|(name, _)| name == "page" || name == CURSOR).cloned().collect()
    };
    !query.is_empty() && place(query) == place(here)
}

fn cursor(query: &[Pair]) -> Vec<&str> {
    query.iter().filter(|(name, _)| name == CURSOR).map(|(_, value)| value.as_str()).collect()
}

/// How a link writes its cursor.
pub fn cursor_form(query: &[Pair]) -> &'static str {
    match cursor(query).as_slice() {
        [] => "no key",
        [one] if one.contains(',') => "one key with a comma",
        [_] => "one key without a comma",
        [_, _] => "two keys",
        _ => "more than two keys",
    }
}

/// Which of the parameters `sent` a link forgot. Those that say which page it is do not count.
pub fn dropped(sent: &[(&'static str, String)], query: &[Pair]) -> Vec<&'static str> {
    let has = |name: &str| query.iter().any(|(known, _)| known == name);
    sent.iter().map(|(name, _)| *name).filter(|name| *name != "page" && !has(name)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HERE: Here<'static> = Here { host: "h.example", path: "/v2/activity-logs", query: &[] };

    fn word(next: &Value, here: Here<'_>) -> &'static str {
        Next::of(&json!({"pageDetails": {"nextPageUrl": next}}), here).word(here)
    }

    #[test]
    fn every_form_of_a_link_has_its_word() {
        let url = |tail: &str| json!(format!("https://h.example/api/v2/activity-logs{tail}"));
        let asked = [("size".to_owned(), "2".to_owned()), (CURSOR.to_owned(), "1,a".to_owned())];
        let here = Here { query: &asked, ..HERE };
        for (next, expected) in [
            (json!(null), "null"),
            (json!(" "), "empty text"),
            (json!(7), "not a text"),
            (url("?searchAfter=1%2Ca"), "leads to the page itself"),
            (url("?searchAfter=2%2Cb&page=next"), "leads on"),
            (url("?size=2"), "leads on without a cursor"),
            (url(""), "leads on without a cursor"),
            (json!("/api/v2/activity-logs?searchAfter=2"), "leads on"),
            (json!("https://evil.example/api/v2/activity-logs?searchAfter=2"), "leads to another host or path"),
            (json!("https://h.example/api/v2/user/resetApiKeys"), "leads to another host or path"),
            (json!("https://["), "not an address"),
        ] {
            assert_eq!(word(&next, here), expected, "{next}");
        }
        assert_eq!(Next::of(&json!({}), HERE), Next::Nowhere("no pageDetails"));
        assert_eq!(Next::of(&json!({"pageDetails": {}}), HERE), Next::Nowhere("absent"));
    }

    #[test]
    fn cursors_and_forgotten_parameters_are_named() {
        let query = |text: &str| -> Vec<Pair> { url::form_urlencoded::parse(text.as_bytes()).into_owned().collect() };
        assert_eq!(cursor_form(&query("searchAfter=1,a")), "one key with a comma");
        assert_eq!(cursor_form(&query("searchAfter=1&searchAfter=a")), "two keys");
        assert_eq!(cursor_form(&query("page=next")), "no key");
        let sent = [("from", String::new()), ("size", String::new()), ("page", String::new())];
        assert_eq!(dropped(&sent, &query("size=2&searchAfter=1")), ["from"]);
    }
}
