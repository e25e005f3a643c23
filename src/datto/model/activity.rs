//! A row of the activity log (datto-rmm-api.md section 10).

use serde_json::value::RawValue;

use super::Malformed;
use super::duplicates::has_too_many_values;
use super::object::Object;
use crate::clock::Millis;
use crate::record::RecordKind;
use crate::record::place::{DeviceRef, SiteRef};

/// Longest text that stands in for a site which is written in an unknown way, in characters.
const ODD_SITE_CHARS: usize = 100;

/// The two kinds of rows that the API documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity {
    /// `DEVICE`.
    Device,
    /// `USER`.
    User,
}

impl Entity {
    /// As the query parameter `entities` takes it.
    pub fn as_query(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::User => "user",
        }
    }
}

/// A row of the activity log.
#[derive(Clone, Debug)]
pub struct ActivityRow {
    /// `id`, the identity.
    pub id: String,
    /// `entity` as received, e.g. `DEVICE`.
    pub entity: Option<String>,
    /// `category` as received.
    pub category: Option<String>,
    /// `action` as received.
    pub action: Option<String>,
    /// `date`, rounded to the millisecond.
    pub date: Option<Millis>,
    /// Its site, by numeric id, else by name. A row whose `site` holds anything at all names a site: only one without
    /// any belongs to the account (architecture.md section 5).
    pub site: SiteRef,
    /// `site.name`.
    pub site_name: Option<String>,
    /// Its device, by numeric id.
    pub device: DeviceRef,
    /// `details` as received: JSON text inside a string.
    pub details: Option<String>,
}

impl ActivityRow {
    /// Which of the documented kinds it is; `None` for any other.
    pub fn entity_kind(&self) -> Option<Entity> {
        let name = self.entity.as_deref()?;
        [Entity::Device, Entity::User].into_iter().find(|entity| name.eq_ignore_ascii_case(entity.as_query()))
    }

    /// The kind of record it becomes: entity DEVICE, or any other.
    pub fn kind(&self) -> RecordKind {
        match self.entity_kind() {
            Some(Entity::Device) => RecordKind::ActivityDevice,
            Some(Entity::User) | None => RecordKind::ActivityUser,
        }
    }
}

/// Decodes a row.
pub fn decode(raw: &RawValue) -> Result<ActivityRow, Malformed> {
    let object = Object::parse(raw)?;
    let id = object.own_id("id")?;
    let details = object.text("details");
    // They are JSON of their own.
    if details.as_deref().is_some_and(has_too_many_values) {
        return Err(Malformed::TooManyValues);
    }
    let (site, site_name) = site_of(&object);
    Ok(ActivityRow {
        id,
        entity: object.text("entity"),
        category: object.text("category"),
        action: object.text("action"),
        date: object.time("date"),
        site,
        site_name,
        device: object.integer("deviceId").map_or(DeviceRef::None, DeviceRef::Id),
        details,
    })
}

fn site_of(object: &Object<'_>) -> (SiteRef, Option<String>) {
    let Some(raw) = object.raw("site") else { return (SiteRef::None, None) };
    let odd = || SiteRef::Name(raw.get().chars().take(ODD_SITE_CHARS).collect());
    let Some(site) = object.object("site") else {
        let site = match (object.integer("site"), object.text("site")) {
            (Some(id), _) => SiteRef::Id(id),
            (None, Some(name)) if name.trim().is_empty() => SiteRef::None,
            (None, Some(name)) => SiteRef::Name(name),
            (None, None) => odd(),
        };
        return (site, None);
    };
    let name = site.id("name");
    let named = match (site.integer("id"), &name) {
        (Some(id), _) => SiteRef::Id(id),
        (None, Some(name)) => SiteRef::Name(name.clone()),
        (None, None) if site.is_blank() => SiteRef::None,
        (None, None) => odd(),
    };
    (named, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(json: &str) -> ActivityRow {
        decode(&RawValue::from_string(json.to_owned()).expect("valid JSON")).expect("a row")
    }

    #[test]
    fn details_of_too_many_values_make_a_row_malformed() {
        let row = |values: usize| {
            let members: Vec<String> = (0..values).map(|n| format!(r#"\"key{n}\":{n}"#)).collect();
            let json = format!(r#"{{"id":"a","details":"{{{}}}"}}"#, members.join(","));
            decode(&RawValue::from_string(json).expect("valid JSON")).map(|row| row.id)
        };
        assert_eq!(row(crate::datto::model::MAX_VALUES), Ok("a".to_owned()));
        assert_eq!(row(crate::datto::model::MAX_VALUES + 1), Err(Malformed::TooManyValues));
    }

    #[test]
    fn a_row_is_read() {
        let row = row(r#"{"id":"1f0a","entity":"DEVICE","category":"job","action":"deployment","date":1787645215.44,
            "site":{"id":218140,"name":"HQ"},"deviceId":42,"user":null,"details":"{\"job.id\":1}"}"#);
        assert_eq!(row.kind(), RecordKind::ActivityDevice);
        assert_eq!(row.date, Some(Millis(1_787_645_215_440)));
        assert_eq!((row.site, row.device), (SiteRef::Id(218_140), DeviceRef::Id(42)));
        assert_eq!(row.details.as_deref(), Some("{\"job.id\":1}"));
    }

    /// A customer's row must never fall to the account because its site is written in an unknown way.
    #[test]
    fn only_a_row_without_any_site_names_none() {
        let site = |json: &str| row(&format!(r#"{{"id":"1","site":{json}}}"#)).site;
        for none in ["null", "{}", r#"{"id":null,"name":null}"#, "\"\""] {
            assert_eq!(site(none), SiteRef::None, "{none}");
        }
        assert_eq!(site(r#"{"id":"77"}"#), SiteRef::Id(77));
        assert_eq!(site(r#"{"id":null,"name":"HQ"}"#), SiteRef::Name("HQ".into()));
        assert_eq!(site("5"), SiteRef::Id(5));
        assert_eq!(site("\"HQ\""), SiteRef::Name("HQ".into()));
        for odd in ["[1]", r#"{"id":{"x":1}}"#, r#"{"uid":"x"}"#, "true"] {
            assert_eq!(site(odd), SiteRef::Name(odd.into()), "{odd}");
        }
    }
}
