//! Faults inside an otherwise true page.

mod endless;
mod heavy;

use serde_json::{Value, json};

use crate::sim::fault::{Fault, Rule};
use crate::sim::page::Page;

/// Does to `page` what the rules say. `url` is the page's own address; `turn` differs from page to page.
pub(crate) fn alter(page: &mut Page, rules: &[Rule], url: &str, turn: usize) {
    for rule in rules {
        alter_links(page, rule, url, turn);
        alter_items(page, rule, turn);
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds do not touch what a page says about itself")]
fn alter_links(page: &mut Page, rule: &Rule, url: &str, turn: usize) {
    match rule.kind {
        Fault::NextElsewhere => {
            let host = rule.text.as_deref().unwrap_or("https://elsewhere.example");
            page.next = Some(format!("{host}{}", after_host(page.next.as_deref().unwrap_or(url))));
        }
        Fault::NextSame => page.next = Some(url.to_owned()),
        Fault::NextForgets => page.next = page.next.as_deref().map(keep_place),
        Fault::NoTotalCount => page.total = None,
        Fault::NoDetails => page.has_details = false,
        Fault::AlwaysNext => page.next = Some(endless::onward(url, page.list, turn)),
        Fault::EmptyPage => {
            page.items.clear();
            page.shown.clear();
            page.next.get_or_insert_with(|| url.to_owned());
        }
        Fault::ActivityError => {
            page.items.clear();
            page.shown.clear();
            page.next = None;
            page.error = Some(rule.text.clone().unwrap_or_else(|| "search_phase_execution_exception".to_owned()));
        }
        _ => {}
    }
}

fn alter_items(page: &mut Page, rule: &Rule, turn: usize) {
    let id_key = page.list.id_key();
    let first = page.items.first().cloned();
    let more = match (rule.kind, first) {
        (Fault::NullFields, _) => {
            for (place, item) in page.items.iter_mut().enumerate() {
                *item = with_null(item, rule.text.as_deref(), id_key, place.wrapping_add(turn));
            }
            None
        }
        (Fault::MissingRow, _) => {
            page.items.pop();
            page.shown.pop();
            None
        }
        (Fault::NewIds, _) => {
            endless::rename(&mut page.items, id_key, turn);
            page.shown.clear();
            None
        }
        (Fault::TinyItems, _) => {
            page.shown.clear();
            page.items = vec![heavy::tiny_items(rule.bytes)];
            None
        }
        (Fault::ItemManyKeys, Some(first)) => Some(with_field(&first, &heavy::keys(rule.bytes))),
        (Fault::ItemDeep, Some(first)) => Some(with_field(&first, &heavy::nested(rule.bytes))),
        (Fault::ItemManyDetails, Some(first)) => {
            Some(with_field(&without(&first, "details"), &heavy::details(rule.bytes)))
        }
        (Fault::RepeatedRow, first) => first,
        (Fault::ItemNoObject, _) => Some(b"[\"not\", \"an\", \"object\", 17]".to_vec()),
        (Fault::ItemWithoutId, Some(first)) => Some(without(&first, id_key)),
        (Fault::ItemDuplicateKey, Some(first)) => Some(with_field(&first, b"\"muted\":false,\"muted\":true")),
        (Fault::ItemInvalidUtf8, Some(first)) => Some(with_field(&first, b"\"note\":\"\xff\xfe\"")),
        (Fault::ItemHugeNumber, Some(first)) => {
            Some(with_field(&first, b"\"huge\":-1e999999,\"huger\":123456789012345678901234567890.5"))
        }
        _ => None,
    };
    page.items.extend(more);
}

/// `item` with the field `name` null, or the `turn`-th of its fields that is not its id.
fn with_null(item: &[u8], name: Option<&str>, id_key: &str, turn: usize) -> Vec<u8> {
    let Ok(Value::Object(mut map)) = serde_json::from_slice(item) else { return item.to_vec() };
    let fields: Vec<&String> = map.keys().filter(|key| *key != id_key).collect();
    let drawn = fields.get(turn % fields.len().max(1)).map(|key| (*key).clone());
    if let Some(name) = name.map(str::to_owned).or(drawn) {
        map.insert(name, Value::Null);
    }
    Value::Object(map).to_string().into_bytes()
}

fn without(item: &[u8], key: &str) -> Vec<u8> {
    match serde_json::from_slice(item) {
        Ok(Value::Object(mut map)) => {
            map.remove(key);
            Value::Object(map).to_string().into_bytes()
        }
        _ => json!({}).to_string().into_bytes(),
    }
}

/// `item`, an object, with more members in front, written as they are.
fn with_field(item: &[u8], members: &[u8]) -> Vec<u8> {
    let rest = item.strip_prefix(b"{").unwrap_or(item);
    [b"{", members, b",", rest].concat()
}

fn after_host(url: &str) -> &str {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    path.find('/').and_then(|at| path.get(at..)).unwrap_or("/")
}

/// The URL with nothing but the parameters that say which page it is.
fn keep_place(url: &str) -> String {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let kept = query.split('&').filter(|pair| pair.starts_with("page=") || pair.starts_with("searchAfter="));
    format!("{path}?{}", kept.collect::<Vec<_>>().join("&"))
}
