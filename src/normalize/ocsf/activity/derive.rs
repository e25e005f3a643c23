//! What a row of the activity log concerns besides itself: the devices that its details list, and the roles of a user to whom
//! it does more. The collector makes a record of each; see [`crate::record::part::Part`].

use serde_json::value::RawValue;

use super::access;
use super::row::{DEVICE_LISTS, Row};
use crate::normalize::json::fields::Fields;
use crate::normalize::json::{Json, Kind, list, text};
use crate::normalize::notes::Notes;
use crate::normalize::number;
use crate::record::place::DeviceRef;

/// Words of an action after which a device is not there any more.
const REMOVALS: [&str; 3] = ["delete", "remove", "uninstall"];

/// What a row concerns besides itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Concerns {
    /// The devices that the details list, by uid or by id; each once.
    pub devices: Vec<String>,
    /// Whether the row removes the device that it names, or the devices that it lists.
    pub is_removal: bool,
    /// Whether the row changes an account and its roles at once.
    pub has_roles: bool,
}

/// What a row concerns besides itself.
pub(crate) fn concerns(source: &RawValue) -> Concerns {
    let source = Json::of(source);
    let Some(fields) = Fields::open(source, "") else { return Concerns::default() };
    let details = details(source).and_then(Json::string);
    let row = Row::open(fields, details.as_deref(), &mut Notes::default());
    let is_about_user = row.is_user() && row.category == "user";
    Concerns {
        devices: row.listed_devices(),
        is_removal: matches!(row.category.as_str(), "device" | "agent") && row.has_verb(&REMOVALS) && !row.failed,
        has_roles: is_about_user && access::has_roles(&row) && access::changes_account(&row),
    }
}

/// The ids of a list, given as the text of a JSON value.
pub(crate) fn ids(list: &str) -> Vec<String> {
    Json::parse(list).map(list::ids).unwrap_or_default()
}

/// The device that an id of a list names: a number is its id, anything else its uid.
pub(crate) fn device(id: &str) -> DeviceRef {
    number::whole(id).map_or_else(|| DeviceRef::Uid(id.to_owned()), DeviceRef::Id)
}

/// The row with `device` alone in its lists of devices: what a record about that device may say, since the others may be those of
/// other customers. `None` if the row cannot be read.
pub(crate) fn narrowed(source: &RawValue, device: &str) -> Option<Box<RawValue>> {
    let details = details(Json::of(source))?;
    let text = details.string();
    let inner = match &text {
        Some(text) => Json::parse(text).ok()?,
        None => details,
    };
    if inner.kind() != Kind::Object {
        return None;
    }
    let narrowed = with(inner, |key, value| DEVICE_LISTS.contains(&key).then(|| only(value, device)));
    let narrowed = if text.is_some() { quoted(&narrowed) } else { narrowed };
    let row = with(Json::of(source), |key, _| (key == "details").then(|| narrowed.clone()));
    RawValue::from_string(row).ok()
}

/// The last `details` of a row, which is the one that the mapping reads.
fn details(source: Json<'_>) -> Option<Json<'_>> {
    source.members().find(|(key, _)| key == "details").map(|(_, value)| value)
}

/// An object with some of its values replaced; all others keep their text.
fn with(object: Json<'_>, replaced: impl Fn(&str, Json<'_>) -> Option<String>) -> String {
    let member = |(key, value): (std::borrow::Cow<'_, str>, Json<'_>)| {
        let value = replaced(&key, value).unwrap_or_else(|| value.source().to_owned());
        format!("{}:{value}", quoted(&key))
    };
    let members: Vec<String> = object.members().map(member).collect();
    format!("{{{}}}", members.join(","))
}

/// A list, in the form that it has, of this one id; empty if the id is not in it.
fn only(value: Json<'_>, id: &str) -> String {
    let is_in = list::ids(value).iter().any(|listed| listed == id);
    let one = match (is_in, number::whole(id)) {
        (false, _) => String::new(),
        (true, Some(_)) => id.to_owned(),
        (true, None) => quoted(id),
    };
    if value.kind() == Kind::Array { format!("[{one}]") } else { quoted(&format!("[{one}]")) }
}

fn quoted(value: &str) -> String {
    let mut out = Vec::with_capacity(value.len());
    text::write(&mut out, value);
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        RawValue::from_string(value.to_string()).unwrap()
    }

    fn row(entity: &str, category: &str, action: &str, details: &Value) -> Box<RawValue> {
        raw(
            &json!({ "id": "1", "entity": entity, "category": category, "action": action, "details": details.to_string() }),
        )
    }

    #[test]
    fn a_row_concerns_what_its_details_list() {
        let details = json!({ "data.device_list": "[7, 8.0]", "data.device_uids": ["x"] });
        let found = concerns(&row("USER", "device", "delete", &details));
        assert_eq!(found, Concerns { devices: vec!["7".into(), "8".into()], is_removal: true, has_roles: false });
        assert!(!concerns(&row("USER", "device", "approved", &details)).is_removal);
        assert!(!concerns(&row("USER", "device", "delete.failed", &details)).is_removal, "they are still there");
        assert!(!concerns(&row("USER", "site", "delete", &details)).is_removal);
        for nothing in ["null", "[1]", "{}", "\"x\"", "{\"details\":5}", "{\"details\":\"{\"}"] {
            let source = RawValue::from_string(nothing.to_owned()).unwrap();
            assert_eq!(concerns(&source), Concerns::default(), "{nothing}");
            assert!(narrowed(&source, "7").is_none_or(|row| row.get() == nothing), "{nothing}");
        }
    }

    #[test]
    fn only_a_row_about_an_account_and_its_roles_has_both() {
        let details =
            json!({ "data.user_id": 5, "data.new_roles": "[\"Administrator\"]", "data.user_enabled": "true" });
        let has_roles = |entity, action, details: &Value| concerns(&row(entity, "user", action, details)).has_roles;
        assert!(has_roles("USER", "create", &details) && has_roles("USER", "delete", &details));
        assert!(!has_roles("USER", "edit", &details), "the row itself is about the roles");
        assert!(!has_roles("DEVICE", "create", &details));
        for (key, value) in [("data.new_roles", "[]"), ("data.user_id", "")] {
            let mut without = details.clone();
            without[key] = json!(value);
            assert!(!has_roles("USER", "create", &without), "{key}");
        }
        let mut disabled = details;
        disabled["data.user_enabled"] = json!("false");
        assert!(has_roles("USER", "edit", &disabled));
    }

    #[test]
    fn a_narrowed_row_names_no_other_device_and_keeps_the_rest() {
        let forms = [
            (json!(["a", "b"]), json!(["b"])),
            (json!("[\"a\",\"b\"]"), json!("[\"b\"]")),
            (json!("a b"), json!("[\"b\"]")),
        ];
        for (list, one) in forms {
            let details = json!({ "data.device_list": list, "data.device_uids": ["a"], "n": "\u{1}\"" });
            let source = row("USER", "device", "delete", &details);
            let narrowed: Value = serde_json::from_str(narrowed(&source, "b").unwrap().get()).unwrap();
            let inner: Value = serde_json::from_str(narrowed["details"].as_str().unwrap()).unwrap();
            assert_eq!(inner, json!({ "data.device_list": one, "data.device_uids": [], "n": "\u{1}\"" }));
            assert_eq!(narrowed["category"], "device");
        }
        let source =
            RawValue::from_string("{\"date\":1.50e3,\"details\":{\"data.device_list\":[7,8]}}".to_owned()).unwrap();
        assert_eq!(narrowed(&source, "8").unwrap().get(), "{\"date\":1.50e3,\"details\":{\"data.device_list\":[8]}}");
    }
}
