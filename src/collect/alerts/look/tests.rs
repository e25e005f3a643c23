//! What looks at one alert tell, one after the other, as if the journal took everything in.

use serde_json::json;

use super::*;

mod histories;

const OPENED: Millis = Millis(1_000);
const RULES: Rules = Rules { cut: Millis(500), updates: Updates::All };
const LATE_CUT: Rules = Rules { cut: Millis(2_000), ..RULES };

fn sighting(seen: Seen, resolved_on: Option<i64>) -> Sighting {
    Sighting {
        uid: "a1".into(),
        site: SiteRef::Uid("s1".into()),
        device: DeviceRef::Uid("d1".into()),
        opened_on: Some(OPENED),
        resolved_on: resolved_on.map(Millis),
        severity: 4,
        seen,
        source: source("High", seen, resolved_on),
        path: "/v2/account/alerts/open".into(),
        received_at: Millis(9_000),
    }
}

fn source(priority: &str, seen: Seen, resolved_on: Option<i64>) -> Box<RawValue> {
    let is_resolved = seen == Seen::Resolved;
    let json = json!({ "alertUid": "a1", "priority": priority, "resolved": is_resolved, "resolvedOn": resolved_on });
    RawValue::from_string(json.to_string()).unwrap()
}

fn open() -> Sighting {
    sighting(Seen::Open, None)
}

fn open_with(priority: &str) -> Sighting {
    Sighting { source: source(priority, Seen::Open, None), ..open() }
}

fn resolved(on: i64) -> Sighting {
    sighting(Seen::Resolved, Some(on))
}

fn resolved_without_time() -> Sighting {
    sighting(Seen::Resolved, None)
}

fn vanished() -> Sighting {
    sighting(Seen::Vanished, None)
}

/// An alert as the journal knows it after the looks so far.
struct History {
    rules: Rules,
    state: Option<AlertState>,
}

impl History {
    fn new(rules: Rules) -> Self {
        Self { rules, state: None }
    }

    fn look(&self, sighting: &Sighting) -> Option<AlertLook> {
        look(&AccountUid::new("ab1c0002"), self.state.as_ref(), sighting, self.rules)
    }

    /// The records told.
    fn see(&mut self, sighting: &Sighting) -> Vec<Record> {
        let Some(look) = self.look(sighting) else { return Vec::new() };
        self.state = Some(look.told);
        look.records
    }

    /// The markers told.
    fn tells(&mut self, sighting: &Sighting) -> Vec<String> {
        self.see(sighting).iter().map(|record| record.envelope.marker.to_string()).collect()
    }

    /// Looks at an alert whose records do not pass; returns what it would have told.
    fn stops(&mut self, sighting: &Sighting) -> usize {
        let look = self.look(sighting).unwrap();
        self.state = Some(look.untold);
        look.records.len()
    }

    fn told(&self) -> Told {
        self.state.as_ref().unwrap().told
    }
}

fn silent() -> Vec<String> {
    Vec::new()
}

#[test]
fn an_open_alert_is_told_as_opened() {
    let mut history = History::new(RULES);
    let records = history.see(&open());
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].envelope.marker, Marker::Open);
    assert!(!records[0].envelope.synthesized);
    assert_eq!(history.told(), Told::Opened);
}

#[test]
fn an_alert_first_seen_resolved_is_told_as_opened_and_closed() {
    let mut history = History::new(RULES);
    let records = history.see(&resolved(3_000));
    let told: Vec<_> = records.iter().map(|r| (r.envelope.marker.to_string(), r.envelope.synthesized)).collect();
    assert_eq!(told, [("open".to_owned(), true), ("resolved:3000".to_owned(), false)]);
    assert_eq!(history.told(), Told::Closed);
}

#[test]
fn an_alert_older_than_the_cut_is_noted_and_its_later_change_told() {
    let mut history = History::new(LATE_CUT);
    assert_eq!(history.tells(&open()), silent());
    assert_eq!(history.told(), Told::Noted);
    let records = history.see(&open_with("Low"));
    assert!(matches!(records[0].envelope.marker, Marker::Update(1, _)));
    assert_eq!(history.told(), Told::Noted);
    assert_eq!(history.tells(&resolved(3_000)), ["resolved:3000"]);
}

#[test]
fn an_alert_resolved_before_the_cut_stays_silent() {
    let mut history = History::new(LATE_CUT);
    assert_eq!(history.tells(&resolved(1_500)), silent());
    assert_eq!(history.tells(&resolved(1_600)), silent());
    assert_eq!(history.told(), Told::Noted);
}

#[test]
fn an_old_alert_resolved_after_the_cut_is_told_as_closed_only() {
    assert_eq!(History::new(LATE_CUT).tells(&resolved(2_000)), ["resolved:2000"]);
}

#[test]
fn an_alert_without_an_opening_time_is_told() {
    let mut history = History::new(LATE_CUT);
    assert_eq!(history.tells(&Sighting { opened_on: None, ..open() }), ["open"]);
}

#[test]
fn an_alert_without_an_opening_time_is_as_old_as_its_resolution() {
    let undated = |on| Sighting { opened_on: None, ..resolved(on) };
    assert_eq!(History::new(LATE_CUT).tells(&undated(1_999)), silent());
    assert_eq!(History::new(LATE_CUT).tells(&undated(2_000)), ["open", "resolved:2000"]);
}

#[test]
fn an_alert_resolved_before_it_was_opened_is_closed_at_once() {
    let mut history = History::new(RULES);
    assert_eq!(history.tells(&resolved(400)), ["open", "resolved:400"]);
    assert!(history.look(&resolved(400)).is_none());
}

#[test]
fn an_unchanged_alert_tells_nothing() {
    let mut history = History::new(RULES);
    history.see(&open());
    assert!(history.look(&open()).is_none());
    history.see(&resolved(3_000));
    assert!(history.look(&resolved(3_000)).is_none());
}

#[test]
fn each_change_is_a_numbered_update_that_names_its_fields() {
    let mut history = History::new(RULES);
    history.see(&open());
    for (number, priority) in [(1, "Low"), (2, "High")] {
        let record = history.see(&open_with(priority)).remove(0);
        assert_eq!(record.envelope.changed, ["priority"]);
        let hex = Fields::read(&record.source).change_hex(&["priority".to_owned()]);
        assert_eq!(record.envelope.marker, Marker::Update(number, hex));
    }
}

#[test]
fn changes_that_the_configuration_leaves_out_are_not_told() {
    let other_context = RawValue::from_string(r#"{"priority":"High","resolved":false,"diagnostics":"x"}"#.into());
    let other_context = Sighting { source: other_context.unwrap(), ..open() };
    for (updates, tells_priority) in [(Updates::State, true), (Updates::Off, false)] {
        let mut history = History::new(Rules { updates, ..RULES });
        history.see(&open());
        assert!(history.look(&other_context).is_none(), "{updates:?}");
        assert_eq!(history.look(&open_with("Low")).is_some(), tells_priority, "{updates:?}");
        assert_eq!(history.tells(&resolved(3_000)), ["resolved:3000"], "{updates:?}");
    }
}

#[test]
fn a_filtered_alert_is_told_as_opened_once_it_passes() {
    let mut history = History::new(RULES);
    assert_eq!(history.stops(&open()), 1);
    assert_eq!(history.told(), Told::Nothing);
    assert_eq!(history.tells(&open_with("Critical")), ["open"]);
}

#[test]
fn the_priority_filter_judges_only_what_was_never_told() {
    let mut history = History::new(RULES);
    assert_eq!(history.look(&open()).unwrap().severity, Some(4));
    history.see(&open());
    assert_eq!(history.look(&open_with("Low")).unwrap().severity, None);
}

#[test]
fn a_close_that_was_dropped_is_told_later() {
    let mut history = History::new(RULES);
    history.see(&open());
    assert_eq!(history.stops(&resolved(3_000)), 1);
    assert_eq!(history.tells(&resolved(3_000)), ["resolved:3000"]);
}

#[test]
fn an_alert_keeps_the_site_of_its_create() {
    let mut history = History::new(RULES);
    history.see(&open());
    let elsewhere = Sighting { site: SiteRef::Uid("s2".into()), ..resolved(3_000) };
    assert_eq!(history.see(&elsewhere)[0].envelope.site, SiteRef::Uid("s1".into()));
}

#[test]
fn an_alert_that_was_never_told_follows_its_site() {
    let mut history = History::new(RULES);
    history.stops(&open());
    let elsewhere = Sighting { site: SiteRef::Uid("s2".into()), ..open() };
    assert_eq!(history.see(&elsewhere)[0].envelope.site, SiteRef::Uid("s2".into()));
}

#[test]
fn an_alert_open_again_is_an_update_and_closes_anew() {
    let mut history = History::new(Rules { updates: Updates::Off, ..RULES });
    history.see(&resolved(3_000));
    let record = history.see(&open()).remove(0);
    assert!(matches!(record.envelope.marker, Marker::Update(1, _)));
    assert_eq!(record.envelope.changed, ["resolved"]);
    assert_eq!(history.tells(&resolved(4_000)), ["resolved:4000"]);
}

#[test]
fn the_same_resolution_is_never_told_twice() {
    let mut history = History::new(RULES);
    for sighting in [resolved(3_000), open(), resolved(4_000), open()] {
        history.see(&sighting);
    }
    for lagging in [resolved(4_000), resolved(3_000), resolved(4_000)] {
        assert_eq!(history.tells(&lagging), silent());
        assert_eq!(history.told(), Told::Closed);
    }
}

#[test]
fn a_time_that_comes_later_is_no_second_close() {
    let mut history = History::new(RULES);
    assert_eq!(history.tells(&resolved_without_time()), ["open", "resolved"]);
    assert_eq!(history.tells(&resolved(3_000)), silent());
    assert_eq!(history.tells(&resolved_without_time()), silent());
    assert_eq!(history.tells(&resolved(4_000)), ["resolved:4000"]);
}

#[test]
fn a_later_close_without_a_time_takes_that_of_its_poll() {
    let mut history = History::new(RULES);
    history.see(&resolved_without_time());
    history.see(&open());
    history.see(&resolved(3_000));
    history.see(&open());
    assert_eq!(history.tells(&resolved_without_time()), ["resolved:9000"]);
    history.see(&open());
    // The clock stands still, the marker does not.
    assert_eq!(history.tells(&resolved_without_time()), ["resolved:9001"]);
}

#[test]
fn each_vanishing_is_told_once() {
    let mut history = History::new(RULES);
    history.see(&open());
    assert_eq!(history.tells(&vanished()), ["vanished"]);
    assert!(history.look(&vanished()).is_none());
    assert!(matches!(history.see(&open())[0].envelope.marker, Marker::Update(1, _)));
    assert_eq!(history.tells(&vanished()), ["vanished:2"]);
}

#[test]
fn a_vanished_alert_that_turns_up_resolved_is_closed() {
    let mut history = History::new(RULES);
    history.see(&open());
    history.see(&vanished());
    assert_eq!(history.tells(&resolved(3_000)), ["resolved:3000"]);
}
