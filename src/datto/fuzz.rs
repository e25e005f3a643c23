//! What the fuzz target `page` does with an answer: cuts it into items, as the client does.

use serde_json::value::RawValue;
use url::Url;

use crate::clock::Millis;
use crate::datto::page::{self, PageRequest};

/// The items of `body`; `None` if the page is refused. Panics if its next page is not one of the same list.
pub(crate) fn items(path: &str, array: &'static str, body: &[u8]) -> Option<Vec<Box<RawValue>>> {
    let text = String::from_utf8_lossy(body);
    let is_log = path.ends_with("activity-logs");
    let request = match is_log {
        true => PageRequest::activity(Millis(1_795_000_000_000), Millis(1_795_100_000_000), 100),
        false => PageRequest::list(path, array),
    };
    let root = Url::parse("http://127.0.0.1:8080").ok()?;
    let slice = page::slice(&text, &request, &root).ok()?;
    if let Some(next) = &slice.next {
        assert_eq!(next.path(), request.path());
        let moves = |name: &str| name == "page" || name == "searchAfter";
        for pair in request.query().iter().filter(|(name, _)| !moves(name)) {
            assert!(next.query().contains(pair), "{pair:?} is lost in {next:?}");
        }
        if next.foreign_target().is_none() && !is_log && !text.contains("page=") {
            assert_ne!(next.key(), request.key(), "a numbered page leads on");
        }
    }
    let bytes: usize = slice.items.iter().map(|item| item.get().len()).sum();
    assert!(bytes <= text.len(), "items are parts of the body");
    Some(slice.items)
}
