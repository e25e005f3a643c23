//! What is read from a page of alerts.

use super::*;

fn shown(seen: Seen, items: &[&str]) -> Shown {
    let items = items.iter().map(|json| RawValue::from_string((*json).to_owned()).unwrap()).collect();
    Shown { path: "/v2/account/alerts/open".into(), seen, received_at: Millis(9_000), items }
}

#[test]
fn a_malformed_item_is_rejected_and_the_rest_goes_on() {
    let doubled = r#"{"alertUid":"b","alertUid":"c"}"#;
    let page =
        shown(Seen::Open, &[r#"{"alertUid":"a"}"#, "[]", r#"{"priority":"Low"}"#, doubled, r#"{"alertUid":"d"}"#]);
    let (sightings, rejected) = read(&page);
    let uids: Vec<&str> = sightings.iter().map(|sighting| sighting.uid.as_str()).collect();
    assert_eq!(uids, ["a", "d"]);
    let contents: Vec<&str> = rejected.iter().map(|item| item.content.as_str()).collect();
    assert_eq!(contents, ["[]", r#"{"priority":"Low"}"#, doubled]);
    assert!(rejected.iter().all(|item| item.path == page.path && !item.reason.is_empty()));
}

#[test]
fn an_alert_that_says_it_is_resolved_is_so_in_any_list() {
    for seen in [Seen::Open, Seen::Vanished, Seen::Resolved] {
        let (sightings, _) = read(&shown(seen, &[r#"{"alertUid":"a","resolved":true,"resolvedOn":1787643495000}"#]));
        assert_eq!(sightings[0].seen, Seen::Resolved, "{seen:?}");
        assert_eq!(sightings[0].resolved_on, Some(Millis(1_787_643_495_000)));
    }
}

#[test]
fn an_alert_that_does_not_say_it_is_resolved_is_what_its_list_says() {
    for item in [r#"{"alertUid":"a","resolved":false}"#, r#"{"alertUid":"a"}"#, r#"{"alertUid":"a","resolved":"yes"}"#]
    {
        for seen in [Seen::Open, Seen::Vanished, Seen::Resolved] {
            assert_eq!(read(&shown(seen, &[item])).0[0].seen, seen, "{item} {seen:?}");
        }
    }
}

#[test]
fn an_alert_that_a_page_shows_twice_is_read_once() {
    let page = shown(Seen::Open, &[r#"{"alertUid":"a","priority":"Low"}"#, r#"{"alertUid":"a","priority":"High"}"#]);
    let (sightings, rejected) = read(&page);
    assert_eq!((sightings.len(), rejected.len()), (1, 0));
    assert_eq!(sightings[0].severity, severity::id_of_priority(Some("Low")));
}

#[test]
fn only_what_came_into_the_list_is_an_entry() {
    let of = |seen, item: &str, known: Option<Seen>| {
        let (sightings, _) = read(&shown(seen, &[item]));
        let state = |seen| AlertState {
            told: Told::Opened,
            seen,
            site: SiteRef::None,
            updates: 0,
            closed_on: None,
            vanishings: 0,
            digests: Vec::new(),
        };
        last_entry(&sightings, &known.map(|seen| ("a".to_owned(), state(seen))).into_iter().collect(), Millis(9_000))
    };
    let opened = r#"{"alertUid":"a","timestamp":1787643495000}"#;
    let resolved = r#"{"alertUid":"a","resolvedOn":1787643495000}"#;
    assert_eq!(of(Seen::Open, opened, None), Some(Millis(1_787_643_495_000)), "new, when it says");
    assert_eq!(of(Seen::Open, opened, Some(Seen::Open)), None, "it was there before");
    assert_eq!(of(Seen::Open, opened, Some(Seen::Resolved)), Some(Millis(9_000)), "it came back just now");
    assert_eq!(of(Seen::Open, r#"{"alertUid":"a"}"#, None), Some(Millis(9_000)), "nobody knows when: just now");
    assert_eq!(of(Seen::Resolved, resolved, Some(Seen::Open)), Some(Millis(1_787_643_495_000)));
    assert_eq!(of(Seen::Resolved, resolved, Some(Seen::Resolved)), None);
}

#[test]
fn events_of_a_page_leave_oldest_first() {
    let page = [
        r#"{"alertUid":"new","timestamp":1787643493000}"#,
        r#"{"alertUid":"undated"}"#,
        r#"{"alertUid":"changed","timestamp":1787643491000}"#,
        r#"{"alertUid":"old","timestamp":1787643492000}"#,
    ];
    let (sightings, _) = read(&Shown { received_at: Millis(1_787_643_499_000), ..shown(Seen::Open, &page) });
    let changed = AlertState {
        told: Told::Opened,
        seen: Seen::Open,
        site: SiteRef::None,
        updates: 0,
        closed_on: None,
        vanishings: 0,
        digests: Vec::new(),
    };
    let known = [("changed".to_owned(), changed)].into();
    let order: Vec<&str> = oldest_first(&sightings, &known).iter().map(|sighting| sighting.uid.as_str()).collect();
    assert_eq!(order, ["old", "new", "undated", "changed"], "a change happened when the page was received");
    let resolved = [
        r#"{"alertUid":"b","timestamp":1787643491000,"resolvedOn":1787643495000}"#,
        r#"{"alertUid":"a","timestamp":1787643494000,"resolvedOn":1787643494000}"#,
    ];
    let (sightings, _) = read(&shown(Seen::Resolved, &resolved));
    let order: Vec<&str> = oldest_first(&sightings, &known).iter().map(|sighting| sighting.uid.as_str()).collect();
    assert_eq!(order, ["a", "b"]);
}
