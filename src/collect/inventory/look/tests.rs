//! What looks at devices and sites tell.

use serde_json::value::RawValue;

use super::*;
use crate::collect::inventory::sight::{self, Origin};
use crate::journal::items::ItemRow;
use crate::record::RecordKind;
use crate::record::place::SiteRef;

const DAY_MS: i64 = 86_400_000;

/// 2026-11-20T22:05:45Z.
const NOON: i64 = 1_795_212_345_000;

fn account() -> AccountUid {
    AccountUid::new("ab1c0002")
}

fn device_at(at: i64, fields: &str) -> Sight {
    let item = RawValue::from_string(format!(r#"{{"uid":"d1","hostname":"SRV","siteUid":"s1",{fields}}}"#)).unwrap();
    let account = account();
    let origin = Origin { account: &account, path: sight::DEVICES, received_at: Millis(at) };
    sight::device(&item, origin, &Udfs::NONE).unwrap()
}

fn device(fields: &str) -> Sight {
    device_at(NOON, fields)
}

fn antivirus(word: &str) -> Sight {
    device(&format!(r#""antivirus":{{"antivirusProduct":"AV","antivirusStatus":"{word}"}}"#))
}

/// An item that is looked at again and again.
#[derive(Default)]
struct Item {
    state: Option<ItemState>,
    rules: Rules,
}

impl Item {
    /// What a look tells that is taken in: `type marker` of each record.
    fn sees(&mut self, sight: &Sight) -> Vec<String> {
        let Some(look) = look(&account(), self.state.as_ref(), sight, &self.rules) else { return Vec::new() };
        assert_eq!(look.expected, self.state);
        self.state = Some(look.told);
        markers(&look.records)
    }

    /// The same when its records are filtered.
    fn is_filtered(&mut self, sight: &Sight) -> Vec<String> {
        let Some(look) = look(&account(), self.state.as_ref(), sight, &self.rules) else { return Vec::new() };
        self.state = Some(look.untold);
        markers(&look.records)
    }

    fn goes(&mut self, last: &Sight) -> Vec<String> {
        let Some(look) = gone(&account(), self.state.as_ref().unwrap(), last) else { return Vec::new() };
        assert!(look.row.is_none(), "what was known of it stays");
        self.state = Some(look.told);
        markers(&look.records)
    }
}

fn markers(records: &[crate::record::Record]) -> Vec<String> {
    records.iter().map(|record| format!("{} {}", record.envelope.kind, record.envelope.marker)).collect()
}

#[test]
fn a_device_is_told_at_first_sight_and_at_each_change_and_never_else() {
    let mut item = Item::default();
    let (a, b) = (device(r#""domain":"a""#), device(r#""domain":"b""#));
    assert_eq!(item.sees(&a), [format!("device 1:{}", a.hex)]);
    assert_eq!(item.sees(&a), [""; 0]);
    assert_eq!(item.sees(&device(r#""domain":"a","lastSeen":5,"online":true,"lastReboot":7"#)), [""; 0]);
    assert_eq!(item.sees(&b), [format!("device 2:{}", b.hex)]);
    assert_eq!(item.sees(&a), [format!("device 3:{}", a.hex)], "a state that returns is a new event");
}

#[test]
fn a_record_names_the_device_and_the_site_where_it_is_now() {
    let sight = device(r#""domain":"a""#);
    let told = look(&account(), None, &sight, &Rules::default()).unwrap();
    let envelope = &told.records[0].envelope;
    assert_eq!((envelope.kind, envelope.native_id.as_str()), (RecordKind::Device, "d1"));
    assert_eq!((&envelope.site, &envelope.path), (&SiteRef::Uid("s1".into()), &sight::DEVICES.to_owned()));
}

#[test]
fn what_is_filtered_is_told_as_soon_as_it_passes() {
    let mut item = Item::default();
    let (a, b) = (device(r#""domain":"a""#), device(r#""domain":"b""#));
    assert_eq!(item.is_filtered(&a).len(), 1);
    let noted = item.state.clone();
    assert_eq!(item.is_filtered(&a).len(), 1, "offered again, since the filter may have changed");
    assert_eq!(item.state, noted, "and nothing new is noted");
    assert_eq!(item.sees(&a), [format!("device 1:{}", a.hex)]);
    assert_eq!(item.is_filtered(&b).len(), 1);
    assert_eq!(item.sees(&a), [""; 0], "back to what was told last");
    assert_eq!(item.sees(&b), [format!("device 2:{}", b.hex)]);
}

#[test]
fn a_posture_change_is_a_record_of_its_own() {
    let mut item = Item::default();
    assert_eq!(item.sees(&antivirus("RunningAndUpToDate")).len(), 1, "nothing to compare with at first sight");
    let off = antivirus("NotRunning");
    assert_eq!(
        item.sees(&off),
        [format!("device 2:{}", off.hex), format!("device.posture antivirus:NotRunning:{NOON}")]
    );
    let record = &off.postures(&account(), posture::changes(&Words::default(), &off.words));
    assert!(record.is_empty());
    let all = r#""antivirus":{"antivirusStatus":"NotDetected"},"patchManagement":{"patchStatus":"InstallError"},"rebootRequired":true"#;
    let before = r#""antivirus":{"antivirusStatus":"NotRunning"},"patchManagement":{"patchStatus":"FullyPatched"},"rebootRequired":false"#;
    let mut item = Item::default();
    item.sees(&device(before));
    let told = item.sees(&device(all));
    let expected = ["antivirus:NotDetected", "patch:InstallError", "reboot:true"]
        .map(|change| format!("device.posture {change}:{NOON}"));
    assert_eq!(told[1..], expected);
}

#[test]
fn a_posture_record_holds_what_the_change_is_about() {
    let mut item = Item::default();
    item.sees(&antivirus("RunningAndUpToDate"));
    let look = look(&account(), item.state.as_ref(), &antivirus("NotRunning"), &item.rules).unwrap();
    assert_eq!(
        look.records[1].source.get(),
        r#"{"uid":"d1","hostname":"SRV","antivirus":{"antivirusProduct":"AV","antivirusStatus":"NotRunning"},"previous":{"antivirusStatus":"RunningAndUpToDate"}}"#
    );
}

#[test]
fn a_state_that_says_nothing_changes_no_posture_and_hides_none() {
    for nothing in
        [r#""antivirus":{"antivirusStatus":"NoData"}"#, r#""antivirus":null"#, r#""antivirus":{}"#, r#""x":1"#]
    {
        let mut item = Item::default();
        item.sees(&antivirus("RunningAndUpToDate"));
        assert_eq!(item.sees(&device(nothing)).len(), 1, "no posture change: {nothing}");
        assert_eq!(item.sees(&antivirus("RunningAndUpToDate")).len(), 1, "back where it was: {nothing}");
        item.sees(&device(nothing));
        let told = item.sees(&antivirus("NotRunning"));
        assert_eq!(told[1], format!("device.posture antivirus:NotRunning:{NOON}"), "{nothing}");
    }
}

#[test]
fn posture_changes_can_be_switched_off() {
    let mut item = Item { rules: Rules { posture: PostureChanges::Untold, ..Rules::default() }, ..Item::default() };
    item.sees(&antivirus("RunningAndUpToDate"));
    assert_eq!(item.sees(&antivirus("NotRunning")).len(), 1);
    item.rules = Rules::default();
    assert_eq!(item.sees(&antivirus("NotRunning")), [""; 0], "what changed meanwhile is not told later");
}

#[test]
fn a_snapshot_is_told_once_a_day() {
    let mut item = Item { rules: Rules { snapshot: Snapshot::Daily, ..Rules::default() }, ..Item::default() };
    let at = |days: i64, hours: i64| device_at(NOON + days * DAY_MS + hours * 3_600_000, r#""domain":"a""#);
    let hex = at(0, 0).hex;
    assert_eq!(item.sees(&at(0, 0)), [format!("device 1:{hex}")]);
    assert_eq!(item.sees(&at(0, 1)), [""; 0], "the first record of a day is its snapshot");
    assert_eq!(item.sees(&at(1, 0)), [format!("device 1:{hex}:20261121")]);
    assert_eq!(item.sees(&at(1, 1)), [""; 0]);
    assert_eq!(item.sees(&at(2, 0)), [format!("device 1:{hex}:20261122")]);
    assert_eq!(item.sees(&at(1, 0)), [""; 0], "a clock that goes back tells nothing");
}

#[test]
fn what_is_gone_is_told_once_and_is_new_when_it_comes_back() {
    let mut item = Item::default();
    let (running, stopped) = (antivirus("RunningAndUpToDate"), antivirus("NotRunning"));
    item.sees(&running);
    assert_eq!(item.goes(&running), ["device vanished"]);
    assert_eq!(item.goes(&running), [""; 0]);
    assert_eq!(item.sees(&stopped), [format!("device 2:{}", stopped.hex)], "no posture change over the gap");
    assert_eq!(item.goes(&stopped), ["device vanished:2"]);
}

#[test]
fn what_was_never_told_goes_silently() {
    let mut item = Item::default();
    let sight = device(r#""domain":"a""#);
    item.is_filtered(&sight);
    assert_eq!(item.goes(&sight), [""; 0]);
    assert!(item.state.as_ref().unwrap().is_gone);
    assert_eq!(item.sees(&sight), [format!("device 1:{}", sight.hex)]);
}

#[test]
fn listed_user_defined_fields_are_watched_and_others_are_gone() {
    let account = account();
    let origin = Origin { account: &account, path: sight::DEVICES, received_at: Millis(NOON) };
    let of = |udf1: &str, udf2: &str| {
        let json = format!(r#"{{"uid":"d1","udf":{{"udf1":"{udf1}","udf2":"{udf2}"}},"webRemoteUrl":"s3cr3t"}}"#);
        sight::device(&RawValue::from_string(json).unwrap(), origin, &Udfs { listed: vec![1], ..Udfs::NONE }).unwrap()
    };
    assert_eq!(of("a", "s3cr3t").digest, of("a", "other").digest);
    assert_ne!(of("a", "s3cr3t").digest, of("b", "s3cr3t").digest);
    let ItemRow::Device(row) = of("a", "s3cr3t").row else { panic!("a device") };
    assert!(of("a", "s3cr3t").source.get().contains("\"a\"") && !row.source.contains("\"a\""));
    assert!(!of("a", "s3cr3t").source.get().contains("s3cr3t"));
}

#[test]
fn an_id_in_entra_is_watched_and_kept_in_the_row_and_nothing_else_of_its_field() {
    let account = account();
    let origin = Origin { account: &account, path: sight::DEVICES, received_at: Millis(NOON) };
    let of = |udf12: &str| {
        let json = format!(r#"{{"uid":"d1","udf":{{"udf1":"s3cr3t","udf12":{udf12},"udf13":"s3cr3t"}}}}"#);
        let udfs = Udfs { entra_device_id: Some(12), ..Udfs::NONE };
        let sight = sight::device(&RawValue::from_string(json).unwrap(), origin, &udfs).unwrap();
        let ItemRow::Device(row) = &sight.row else { panic!("a device") };
        assert_eq!(&*row.source, sight.source.get());
        sight
    };
    let (one, two) = ("\"0f6c1d1e-7a43-4a2e-9c55-3d2f0f6b8a10\"", "\"{0F6C1D1E-7A43-4A2E-9C55-3D2F0F6B8A11}\"");
    assert_eq!(of(one).source.get(), format!(r#"{{"uid":"d1","udf":{{"udf12":{one}}}}}"#));
    assert_ne!(of(one).digest, of(two).digest);
    assert_ne!(of(one).digest, of("null").digest);
    assert_eq!(of("\"s3cr3t\"").source.get(), r#"{"uid":"d1","udf":{"udf12":{}}}"#);
    assert_eq!(of("\"s3cr3t\"").digest, of("null").digest, "what is no id makes no change");
}

#[test]
fn an_item_without_a_uid_is_one_dead_letter_however_often_it_is_seen() {
    let account = account();
    let read = |seen: i64| {
        let json = format!(r#"{{"hostname":"X","lastSeen":{seen},"udf":{{"udf1":"s3cr3t"}}}}"#);
        let origin = Origin { account: &account, path: sight::DEVICES, received_at: Millis(seen) };
        *sight::device(&RawValue::from_string(json).unwrap(), origin, &Udfs::NONE).unwrap_err()
    };
    let ((first, identity), (second, again)) = (read(1), read(2));
    assert_ne!(first.content, second.content);
    assert_eq!(identity, again);
    assert!(!first.content.contains("s3cr3t"), "{}", first.content);
}
