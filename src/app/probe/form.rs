//! Forms of values: what kind of thing a value is, never what it says. Every answer is a fixed word.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;
use uuid::Uuid;

/// Numbers above this are milliseconds, others seconds (datto-rmm-api.md section 7).
const MOST_SECONDS: f64 = 9_999_999_999.0;

/// What a time looks like on the wire.
pub fn time(value: Option<&Value>) -> &'static str {
    match value {
        None => "absent",
        Some(Value::Null) => "null",
        Some(Value::Number(number)) => {
            let is_ms = number.as_f64().is_some_and(|number| number.abs() > MOST_SECONDS);
            match (number.is_f64(), is_ms) {
                (false, true) => "whole milliseconds",
                (false, false) => "whole seconds",
                (true, true) => "decimal milliseconds",
                (true, false) => "decimal seconds",
            }
        }
        Some(Value::String(text)) => match text.trim() {
            "" => "empty text",
            text if text.parse::<f64>().is_ok() => "number as text",
            text if text.parse::<Timestamp>().is_ok() => "ISO text",
            text if text.parse::<Date>().is_ok() => "date as text",
            _ => "other text",
        },
        Some(_) => "another type",
    }
}

/// What an identifier looks like.
pub fn id(value: Option<&Value>) -> &'static str {
    match value {
        None => "absent",
        Some(Value::Null) => "null",
        Some(Value::Number(number)) if number.is_f64() => "decimal number",
        Some(Value::Number(_)) => "integer",
        Some(Value::String(text)) => match text.trim() {
            "" => "empty text",
            text if Uuid::parse_str(text).is_ok() => "UUID text",
            text if text.bytes().all(|byte| byte.is_ascii_digit()) => "digits as text",
            _ => "other text",
        },
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Array(_)) => "list",
        Some(Value::Object(_)) => "object",
    }
}

/// What a text that may hold a document looks like.
pub fn document(value: Option<&Value>) -> &'static str {
    match value {
        None => "absent",
        Some(Value::Null) => "null",
        Some(Value::String(text)) if text.trim().is_empty() => "empty text",
        Some(Value::String(text)) => match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(_) | Value::Array(_)) => "JSON text",
            Ok(_) | Err(_) => "other text",
        },
        Some(_) => "another type",
    }
}

/// Whether times rise or fall along a list. Rows without a time are passed over.
pub fn order(times: &[f64]) -> &'static str {
    let rises = times.iter().zip(times.iter().skip(1)).all(|(a, b)| a <= b);
    let falls = times.iter().zip(times.iter().skip(1)).all(|(a, b)| a >= b);
    match (rises, falls) {
        (true, true) => "too few different times",
        (true, false) => "rising",
        (false, true) => "falling",
        (false, false) => "neither rising nor falling",
    }
}

/// A time as a number that can be compared; seconds count as milliseconds.
pub fn comparable(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => match text.trim().parse::<Timestamp>() {
            Ok(time) => time.as_millisecond() as f64,
            Err(_) => text.trim().parse().ok()?,
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(if number.abs() > MOST_SECONDS { number } else { number * 1000.0 })
}

/// The order of magnitude of a count.
pub fn magnitude(count: u64) -> &'static str {
    match count {
        0 => "none",
        1..=9 => "1 to 9",
        10..=99 => "10 to 99",
        100..=999 => "100 to 999",
        1000..=9999 => "1000 to 9999",
        _ => "10000 or more",
    }
}

/// One count against another.
pub fn against(one: Option<u64>, other: Option<u64>) -> &'static str {
    match (one, other) {
        (Some(one), Some(other)) if one == other => "equal",
        (Some(one), Some(other)) if one < other => "smaller",
        (Some(_), Some(_)) => "larger",
        (None, _) | (_, None) => "cannot be compared",
    }
}

/// The field at `path` of an object, names joined by `/`.
pub fn field<'a>(item: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/').try_fold(item, |item, name| item.get(name))
}

/// The different forms of a field among `items`.
pub fn forms(items: &[Value], path: &str, form: fn(Option<&Value>) -> &'static str) -> BTreeSet<&'static str> {
    items.iter().map(|item| form(field(item, path))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_of_a_time_has_its_word() {
        for (value, word) in [
            (json!(1_787_643_495_000_i64), "whole milliseconds"),
            (json!(1_787_643_495), "whole seconds"),
            (json!(1_787_645_215.44), "decimal seconds"),
            (json!(1_787_645_215_440.5), "decimal milliseconds"),
            (json!(-62_135_596_800_000_i64), "whole milliseconds"),
            (json!("2026-08-25T07:26:00Z"), "ISO text"),
            (json!("2026-08-25"), "date as text"),
            (json!("1787643495000"), "number as text"),
            (json!("soon"), "other text"),
            (json!(" "), "empty text"),
            (json!(null), "null"),
            (json!([1]), "another type"),
        ] {
            assert_eq!(time(Some(&value)), word, "{value}");
        }
        assert_eq!(time(None), "absent");
    }

    #[test]
    fn every_form_of_an_id_has_its_word() {
        for (value, word) in [
            (json!(7), "integer"),
            (json!(7.5), "decimal number"),
            (json!("7"), "digits as text"),
            (json!("60761aa3-d03e-3d76-b75b-da28629a4103"), "UUID text"),
            (json!("Deleted"), "other text"),
            (json!({}), "object"),
            (json!(false), "boolean"),
        ] {
            assert_eq!(id(Some(&value)), word, "{value}");
        }
        assert_eq!(document(Some(&json!("{\"a\":1}"))), "JSON text");
        assert_eq!(document(Some(&json!("mail sent"))), "other text");
    }

    #[test]
    fn an_order_needs_different_times() {
        assert_eq!(order(&[]), "too few different times");
        assert_eq!(order(&[5.0, 5.0]), "too few different times");
        assert_eq!(order(&[1.0, 1.0, 2.0]), "rising");
        assert_eq!(order(&[3.0, 1.0, 1.0]), "falling");
        assert_eq!(order(&[1.0, 3.0, 2.0]), "neither rising nor falling");
        let times = [json!(1_787_643_495), json!(1_787_643_495_500_i64), json!("2026-08-25T07:38:16Z")];
        let times: Vec<f64> = times.iter().filter_map(comparable).collect();
        assert_eq!(order(&times), "rising", "{times:?}");
    }

    #[test]
    fn counts_are_rounded() {
        assert_eq!(
            [0, 9, 10, 999, 1000, u64::MAX].map(magnitude),
            ["none", "1 to 9", "10 to 99", "100 to 999", "1000 to 9999", "10000 or more"]
        );
        assert_eq!(against(Some(1), Some(2)), "smaller");
        assert_eq!(against(None, Some(2)), "cannot be compared");
    }
}
