//! Lists without an end: links that always lead on, ids that were never shown before.

use serde_json::Value;
use url::form_urlencoded;

use crate::sim::world::List;

/// The address of the page after the one at `url`, whether there is one or not. A cursor is a new one in each `turn`.
pub(crate) fn onward(url: &str, list: List, turn: usize) -> String {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let params: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let number = params.iter().find(|(name, _)| name == "page").and_then(|(_, page)| page.parse::<usize>().ok());
    let mut next = form_urlencoded::Serializer::new(String::new());
    next.extend_pairs(params.iter().filter(|(name, _)| name != "page" && name != "searchAfter"));
    if list == List::Activities {
        next.append_pair("searchAfter", &format!("{turn},cursor")).append_pair("page", "next");
    } else {
        next.append_pair("page", &number.unwrap_or(0).saturating_add(1).to_string());
    }
    format!("{path}?{}", next.finish())
}

/// Gives every item an id of its own in each `turn`.
pub(crate) fn rename(items: &mut [Vec<u8>], id_key: &str, turn: usize) {
    for (place, item) in items.iter_mut().enumerate() {
        let Ok(Value::Object(mut map)) = serde_json::from_slice(item) else { continue };
        map.insert(id_key.to_owned(), Value::String(format!("new-{turn}-{place}")));
        *item = Value::Object(map).to_string().into_bytes();
    }
}
