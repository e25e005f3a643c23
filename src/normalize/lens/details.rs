//! The texts that a rule's condition on a detail is compared with.

use std::borrow::Cow;

use crate::normalize::json::fields::Fields;
use crate::normalize::json::{Json, Kind, list};

/// Texts of the detail `name`: of a list each item, of a list written as text as well. A detail that says nothing (`null`, `""`,
/// `"[]"`) has none. Where no detail has this name, its last part may name a member of a list's items:
/// `remote_session.details.action`.
pub(crate) fn texts<'a>(fields: &Fields<'a>, name: &str) -> Vec<Cow<'a, str>> {
    let mut found = Vec::new();
    if let Some(value) = fields.get(name) {
        collect(value, None, &mut found);
    } else if let Some((value, member)) =
        name.rsplit_once('.').and_then(|(list, member)| Some((fields.get(list)?, member)))
    {
        collect(value, Some(member), &mut found);
    }
    found
}

fn collect<'a>(value: Json<'a>, member: Option<&str>, found: &mut Vec<Cow<'a, str>>) {
    match value.kind() {
        Kind::Null => {}
        Kind::Array => value.items().for_each(|item| collect(item, member, found)),
        Kind::Object => match member {
            Some(member) => {
                let named = value.members().filter(|(key, _)| key == member);
                named.for_each(|(_, value)| collect(value, None, found));
            }
            None if value.is_blank() => {}
            None => found.push(value.source().into()),
        },
        Kind::String => {
            let text = value.string().unwrap_or_default();
            if !written(&text, member, found) && member.is_none() {
                found.push(text);
            }
        }
        Kind::Bool | Kind::Number(_) => found.extend(value.scalar().filter(|_| member.is_none())),
    }
}

/// Whether `text` is a list, or nothing, written as JSON; collects the items of a list.
fn written<'a>(text: &str, member: Option<&str>, found: &mut Vec<Cow<'a, str>>) -> bool {
    if list::NOTHING.contains(&text.trim()) || text.trim() == "\"\"" {
        return true;
    }
    let Some(list) = list::written(text) else { return false };
    let mut items = Vec::new();
    list.items().for_each(|item| collect(item, member, &mut items));
    found.extend(items.into_iter().map(|text| Cow::Owned(text.into_owned())));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &'static str, name: &str) -> Vec<String> {
        let fields = Fields::open(Json::parse(source).unwrap(), "").unwrap();
        texts(&fields, name).into_iter().map(Cow::into_owned).collect()
    }

    #[test]
    fn a_list_is_its_items_also_when_it_is_written_as_text() {
        for roles in
            [r#"["Administrator","Tech"]"#, r#""[\"Administrator\",\"Tech\"]""#, r#"" [\"Administrator\", \"Tech\"] ""#]
        {
            let source: &'static str = format!(r#"{{"data.new_roles":{roles}}}"#).leak();
            assert_eq!(of(source, "data.new_roles"), ["Administrator", "Tech"], "{roles}");
        }
        assert_eq!(of(r#"{"a":"[not a list"}"#, "a"), ["[not a list"]);
        assert_eq!(of(r#"{"a":7}"#, "a"), ["7"]);
    }

    #[test]
    fn what_says_nothing_has_no_text() {
        for nothing in ["[]", "null", "{}", r#""""#, r#""[]""#, r#"" [ ] ""#, r#""null""#, r#""{}""#, r#"[""]"#] {
            let source: &'static str = format!(r#"{{"data.new_roles":{nothing}}}"#).leak();
            assert_eq!(of(source, "data.new_roles"), Vec::<String>::new(), "{nothing}");
        }
    }

    #[test]
    fn the_last_part_of_a_name_may_be_a_member_of_items() {
        let source = r#"{"s.details":[{"action":"connect","detail":"profile"},{"action":"file.transfer"}]}"#;
        assert_eq!(of(source, "s.details.action"), ["connect", "file.transfer"]);
        let source = r#"{"s.details":"[{\"action\":\"upload\"}]","s":"x"}"#;
        assert_eq!(of(source, "s.details.action"), ["upload"]);
        assert_eq!(of(source, "s.other.action"), Vec::<String>::new());
    }
}
