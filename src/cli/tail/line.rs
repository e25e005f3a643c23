//! One line of `vintner tail`. What it says comes from the network, and a terminal obeys control characters: they are shown as
//! what they are, here and in the JSON forms.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::app::tail::{Shown, What};
use crate::cli::plain::{self, Layout};
use crate::normalize::Options;
use crate::normalize::json::decodable;
use crate::normalize::redact::strip_keeping;
use crate::normalize::udf::NO_UDFS;
use crate::record::Envelope;
use crate::sink::readable::{self, Cells, Columns, Look, MAX_MESSAGE};

/// A record as `--raw` prints it. Times are milliseconds since 1970.
#[derive(Serialize)]
struct RawLine<'a> {
    event_id: String,
    account: &'a str,
    /// `null`: held.
    lane: Option<&'static str>,
    seq: Option<u64>,
    /// `null`: no organization may have it, or no event can be made of it.
    tenant_uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unmappable: Option<&'a str>,
    envelope: &'a Envelope,
    source: Cow<'a, RawValue>,
}

/// The line for people: time, severity, organization, message; and account, class and activity where there is room.
pub(super) fn human(shown: &Shown, look: Look) -> String {
    match &shown.what {
        What::Event(event) => readable::line(event, &shown.account, look),
        What::Held(why) => without_event(shown, "(held)", why, look),
        What::Broken(why) => without_event(shown, "(no event)", why, look),
    }
}

/// The record as one JSON object.
pub(super) fn raw(shown: &Shown, options: &Options) -> Option<String> {
    let Shown { record, place, account, what } = shown;
    let (tenant_uid, held, unmappable) = match what {
        What::Event(event) => (Some(event.pivots.tenant_uid.as_str()), None, None),
        What::Held(why) => (None, Some(why.as_str()), None),
        What::Broken(why) => (None, None, Some(why.as_str())),
    };
    let udfs = options.udfs.get(account).unwrap_or(&NO_UDFS);
    let line = RawLine {
        event_id: record.envelope.event_id().to_string(),
        account,
        lane: place.as_ref().map(|place| place.partition.lane.as_str()),
        seq: place.as_ref().map(|place| place.seq),
        tenant_uid,
        held,
        unmappable,
        envelope: &record.envelope,
        source: decodable(Cow::Owned(strip_keeping(record.envelope.kind, &record.source, udfs))),
    };
    serde_json::to_string(&line).ok().map(|text| one_line(&text))
}

/// JSON on one line that does nothing to a terminal.
pub(super) fn one_line(json: &str) -> String {
    plain::json(json, Layout::OneLine)
}

/// A record that has no event: when it was taken in, what it is, whose it would be, and why.
fn without_event(shown: &Shown, word: &str, why: &str, look: Look) -> String {
    let Envelope { received_at, kind, native_id, site, .. } = &shown.record.envelope;
    let (id, site, why) = (cropped(native_id), cropped(&site.to_string()), cropped(why));
    let (what, message) = match look.columns {
        Columns::Wide => (format!("{kind} {id}"), format!("{site}: {why}")),
        Columns::Terminal | Columns::Narrow(_) => (String::new(), format!("{kind} {id} of {site}: {why}")),
    };
    look.line(&Cells {
        time: *received_at,
        severity_id: 0,
        severity: "-",
        organization: word,
        account: &shown.account,
        what: &what,
        message: &message,
    })
}

fn cropped(text: &str) -> String {
    plain::cropped(text, MAX_MESSAGE)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::plain::is_hostile;
    use crate::clock::Millis;
    use crate::event::{Event, Pivots};
    use crate::journal::{Lane, Partition, Place};
    use crate::output::style::Paint;
    use crate::record::place::{DeviceRef, SiteRef};
    use crate::record::{AccountUid, Marker, Record, RecordKind, Stream};

    const WIDE: Look = Look { columns: Columns::Wide, paint: Paint::None };
    const NARROW: Look = Look { columns: Columns::Narrow(80), paint: Paint::None };

    fn shown(what: What) -> Shown {
        let envelope = Envelope {
            account: AccountUid::new("ab1c0002"),
            kind: RecordKind::Alert,
            native_id: "a-1".into(),
            marker: Marker::Open,
            site: SiteRef::Uid("s\u{1b}[1m".into()),
            device: DeviceRef::None,
            path: "/v2/account/alerts/open".into(),
            received_at: Millis(1_795_212_345_678),
            changed: Vec::new(),
            synthesized: false,
        };
        let source = "{\"alertUid\":\"a-1\",\n \"apiSecretKey\":\"hunter2\", \"text\":\"two  spaces \\\" \u{9b}31m\",\"half\":\"a\\ud83d\"}";
        let record = Record { envelope, source: RawValue::from_string(source.into()).unwrap() };
        let partition = Partition { account: AccountUid::new("ab1c0002"), lane: Lane::Live };
        Shown { record, place: Some(Place { partition, seq: 7 }), account: "acme".into(), what }
    }

    fn event(message: &str, severity_id: u8) -> What {
        let pivots = Pivots {
            stream: Stream::Alerts,
            tenant_uid: "contoso".into(),
            tenant_name: None,
            account_uid: "ab1c0002".into(),
            site_uid: None,
            device_uid: None,
            class_uid: 2004,
            class_name: "detection_finding",
            activity_name: "Create".into(),
            activity_id: 1,
            severity_id,
            labels: Vec::new(),
            time: Millis(1_795_212_345_678),
            logged_time: Millis(0),
            subject: "s".into(),
        };
        let json = json!({"message": message, "severity": "High", "class_name": "Detection Finding"}).to_string();
        What::Event(Box::new(Event {
            id: shown(What::Held(String::new())).record.envelope.event_id(),
            json,
            pivots,
            replay: 0,
        }))
    }

    #[test]
    fn a_line_says_when_how_bad_whose_and_what() {
        assert_eq!(
            human(&shown(event("Disk full on SRV-1", 4)), WIDE),
            "2026-11-20T22:05:45Z  High           contoso  acme  Detection Finding/Create  Disk full on SRV-1"
        );
        let colored = human(&shown(event("Disk full", 4)), Look { paint: Paint::Ansi, ..WIDE });
        assert!(colored.contains("\u{1b}[31mHigh         \u{1b}[0m  contoso"), "{colored:?}");
        let held = human(&shown(What::Held("no rule names it".into())), WIDE);
        assert_eq!(
            held,
            "2026-11-20T22:05:45Z  -              (held)  acme  alert a-1  site s\\u{1b}[1m: no rule names it"
        );
        let held = human(&shown(What::Held("no rule".into())), NARROW);
        assert_eq!(held, "11-20 22:05  -       (held)         alert a-1 of site s\\u{1b}[1m: no rule");
    }

    /// Safety: nothing that comes from the network steers the terminal of who reads it, or fakes a second line.
    #[test]
    fn what_a_terminal_would_obey_is_shown_as_text() {
        let hostile = "a\u{1b}]0;owned\u{7}b\r\nc\u{9b}2Jd\u{202e}e\u{2028}f\u{7f}g\u{200b}h\u{e0041}";
        for look in [WIDE, Look { columns: Columns::Narrow(1000), ..WIDE }] {
            let line = human(&shown(event(hostile, 1)), look);
            assert!(!line.contains(is_hostile), "{line:?}");
            assert!(
                line.ends_with(
                    "a\\u{1b}]0;owned\\u{7}b\\r\\nc\\u{9b}2Jd\\u{202e}e\\u{2028}f\\u{7f}g\\u{200b}h\\u{e0041}"
                )
            );
        }
        let mut named = shown(What::Broken(hostile.into()));
        named.account = hostile.into();
        assert!(!human(&named, WIDE).contains(is_hostile));
        let value = json!({"message": hostile, "and": "\\", "\u{1b}": [1.50, "\""]});
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let line = one_line(&pretty);
        assert!(!line.contains(is_hostile) && !line.contains('\n'), "{line:?}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value, "and it means the same");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let line = human(&shown(event(&"ä".repeat(1000), 1)), WIDE);
        assert!(line.ends_with(&format!("  {}…", "ä".repeat(MAX_MESSAGE))), "{line}");
    }

    #[test]
    fn raw_has_envelope_and_source_on_one_line_without_secrets() {
        let line = raw(&shown(event("m", 1)), &Options::default()).unwrap();
        assert!(!line.contains(['\n', '\u{9b}']) && !line.contains("hunter2"), "{line}");
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&value["account"], &value["lane"], &value["seq"]), (&json!("acme"), &json!("live"), &json!(7)));
        assert_eq!((&value["tenant_uid"], &value["envelope"]["native_id"]), (&json!("contoso"), &json!("a-1")));
        assert_eq!(
            value["source"],
            json!({"alertUid": "a-1", "text": "two  spaces \" \u{9b}31m", "half": "a\u{fffd}"})
        );
        let held: Value =
            serde_json::from_str(&raw(&shown(What::Held("why".into())), &Options::default()).unwrap()).unwrap();
        assert_eq!((&held["tenant_uid"], &held["held"]), (&Value::Null, &json!("why")));
    }
}
