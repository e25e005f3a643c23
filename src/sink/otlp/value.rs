//! JSON as OTLP values (event-schema.md section 11): no value is lost, and keys keep their order.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};

use crate::normalize::json::{Json, Kind};

/// Levels of nesting that become structure; what lies deeper becomes its JSON text. Protobuf decoders give up at 100 nested
/// messages, and one level of JSON costs three of them.
const MAX_DEPTH: usize = 24;

/// A value with everything in it.
pub(super) fn value(json: Json<'_>) -> AnyValue {
    nested(json, MAX_DEPTH)
}

/// A text.
pub(super) fn text(text: impl Into<String>) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(text.into())) }
}

/// A named value.
pub(super) fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

/// A list.
pub(super) fn list(values: Vec<AnyValue>) -> AnyValue {
    AnyValue { value: Some(Value::ArrayValue(ArrayValue { values })) }
}

fn nested(json: Json<'_>, depth: usize) -> AnyValue {
    let Some(below) = depth.checked_sub(1) else { return text(json.source()) };
    let value = match json.kind() {
        Kind::Null => None,
        Kind::Bool => Some(Value::BoolValue(json.source() == "true")),
        Kind::Number(digits) => Some(number(digits)),
        Kind::String => Some(Value::StringValue(json.string().unwrap_or_default().into_owned())),
        Kind::Array => {
            Some(Value::ArrayValue(ArrayValue { values: json.items().map(|item| nested(item, below)).collect() }))
        }
        Kind::Object => {
            let values = json.members().map(|(key, value)| pair(&key, nested(value, below))).collect();
            Some(Value::KvlistValue(KeyValueList { values }))
        }
    };
    AnyValue { value }
}

/// An integer, else a double. An integer that 64 bits do not hold stays its digits, since a double would change it.
fn number(digits: &str) -> Value {
    if let Ok(integer) = digits.parse() {
        return Value::IntValue(integer);
    }
    let is_integer = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    match digits.parse::<f64>() {
        Ok(double) if double.is_finite() && !is_integer => Value::DoubleValue(double),
        Ok(_) | Err(_) => Value::StringValue(digits.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str) -> String {
        format!("{:?}", value(Json::parse(source).unwrap()).value.unwrap())
    }

    #[test]
    fn numbers_keep_their_value() {
        assert_eq!(shown("9223372036854775807"), "IntValue(9223372036854775807)");
        assert_eq!(shown("-3"), "IntValue(-3)");
        assert_eq!(shown("1795214400.125"), "DoubleValue(1795214400.125)");
        assert_eq!(shown("1e3"), "DoubleValue(1000.0)");
        assert_eq!(shown("18446744073709551615"), "StringValue(\"18446744073709551615\")");
        assert_eq!(shown("1e999"), "StringValue(\"1e999\")");
    }

    #[test]
    fn keys_keep_their_order_and_null_stays_empty() {
        let Some(Value::KvlistValue(list)) = value(Json::parse(r#"{"b":null,"a":[true,"x"]}"#).unwrap()).value else {
            panic!("no list");
        };
        assert_eq!(list.values.iter().map(|pair| pair.key.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(list.values[0].value, Some(AnyValue { value: None }));
    }

    #[test]
    fn deep_nesting_becomes_text() {
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        let text = shown(&deep);
        assert!(text.contains(&format!("StringValue(\"{}1", "[".repeat(200 - MAX_DEPTH))), "{text}");
    }
}
