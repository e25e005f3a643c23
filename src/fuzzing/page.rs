//! Answers of the API, from the body to the events of its items.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::app::fetch::{What, records};
use crate::clock::Millis;
use crate::collect::activity::row::{self, Row};
use crate::collect::alerts::page::{self as alerts, Shown};
use crate::collect::inventory::sight::{self, Origin};
use crate::datto;
use crate::journal::Seen;
use crate::normalize::lens::Lens;
use crate::normalize::udf::Udfs;
use crate::normalize::{Context, Format, Options, RawData, drift, normalize};
use crate::org::Policy;
use crate::org::directory::{Directory, Rule, Tenant};
use crate::record::{AccountUid, Record};

const RECEIVED: Millis = Millis(1_795_212_371_250);
/// Largest event (event-schema.md section 10).
const MAX_EVENT: usize = 900 * 1024;

/// The lists, by the name of their array.
const LISTS: [(&str, &str, What); 5] = [
    ("/v2/account/alerts/open", "alerts", What::OpenAlerts),
    ("/v2/account/alerts/resolved", "alerts", What::ResolvedAlerts),
    ("/v2/activity-logs", "activities", What::Activity),
    ("/v2/account/sites", "sites", What::Sites),
    ("/v2/account/devices", "devices", What::Devices),
];

/// The ways in which a sink may want events.
static OPTIONS: LazyLock<Vec<Options>> = LazyLock::new(|| {
    let of = |format, raw_data| Options { format, raw_data, lens: Arc::new(Lens::shipped()), ..Options::default() };
    vec![of(Format::Ocsf, RawData::All), of(Format::Ecs, RawData::Off), of(Format::Raw, RawData::Off)]
});

pub(super) fn page(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    let (path, array, what) = LISTS[usize::from(*choice) % LISTS.len()];
    let Some(items) = datto::fuzz::items(path, array, body) else { return };
    for item in &items {
        judge_item(what, path, item);
    }
    for record in records::of_page(&account(), what, &items, RECEIVED, None, &Udfs::NONE) {
        judge(&record);
    }
}

pub(super) fn details(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let entity = if choice & 1 == 0 { "DEVICE" } else { "USER" };
    // As a text, as it is documented, or as the value itself.
    let details = match serde_json::from_str::<&RawValue>(&text) {
        Ok(raw) if choice & 2 == 0 => raw.get().to_owned(),
        _ => Value::from(text.as_ref()).to_string(),
    };
    let category = ["remote", "job", "device", "user", "patch", "site"][usize::from(choice >> 2) % 6];
    let item = format!(
        r#"{{"id":"x-1","entity":"{entity}","category":"{category}","action":"a","date":1795212345.5,"details":{details}}}"#
    );
    let item = RawValue::from_string(item).unwrap();
    judge_item(What::Activity, "/v2/activity-logs", &item);
    for record in records::of_page(&account(), What::Activity, &[item], RECEIVED, None, &Udfs::NONE) {
        judge(&record);
    }
}

/// An item may be refused, but never since vintner panicked.
fn judge_item(what: What, path: &str, item: &RawValue) {
    let account = account();
    let origin = Origin { account: &account, path, received_at: RECEIVED };
    let reason = match what {
        What::OpenAlerts | What::ResolvedAlerts => {
            let seen = if what == What::OpenAlerts { Seen::Open } else { Seen::Resolved };
            let shown = Shown { path: path.to_owned(), seen, received_at: RECEIVED, items: vec![item.to_owned()] };
            alerts::read(&shown).1.pop().map(|rejected| rejected.reason)
        }
        What::Activity => match row::read(&account, item, RECEIVED) {
            Row::Record(..) => None,
            Row::Rejected(rejected) => Some(rejected.reason),
        },
        What::Sites => sight::site(item, origin).err().map(|unusable| unusable.0.reason),
        What::Devices => sight::device(item, origin, &Udfs::NONE).err().map(|unusable| unusable.0.reason),
    };
    assert!(reason.as_deref().is_none_or(|reason| !reason.contains("panic")), "{reason:?} {item}");
}

/// Each form of the event must be JSON of a bounded size.
fn judge(record: &Record) {
    let directory = Directory::new(0, Arc::new(Policy::default()), Vec::new(), Vec::new());
    let tenant = Tenant { id: "contoso".into(), name: None, labels: BTreeMap::new(), rule: Rule::OwnSite };
    for options in OPTIONS.iter() {
        let context = Context { directory: &directory, tenant: &tenant, device: None, processed_at: RECEIVED, options };
        let Ok(event) = normalize(record, &context) else { continue };
        assert!(event.json.len() <= MAX_EVENT, "{} bytes", event.json.len());
        assert!(!event.json.contains('\n'), "an event is one line");
        if let Err(error) = serde_json::from_str::<Value>(&event.json) {
            panic!("{error}: {}", event.json);
        }
    }
    drift::of(record);
}

fn account() -> AccountUid {
    AccountUid::new("ab1c0002")
}
