//! What goes wrong on demand.

use super::*;
use crate::sim::fault::{Fault, Faults, Rule};
use crate::sim::reply::Cut;
use crate::sim::world::RetryAfter;

const OPEN: &str = "/api/v2/account/alerts/open";

fn broken(kind: Fault) -> Client {
    broken_by(Rule::new(kind).on("/api/v2/account"))
}

fn broken_by(rule: Rule) -> Client {
    let client = Client::new(Options { open_alerts: 5, ..Options::quiet() });
    client.sim.set_faults(Faults { rules: vec![rule] });
    client
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn rejects(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_err()
}

#[tokio::test(start_paused = true)]
async fn answers_are_replaced_as_often_as_asked() {
    let client = Client::new(Options::quiet());
    client.sim.add_faults(vec![Rule::new(Fault::Status).on(OPEN).times(2).status(503)]);
    let statuses: Vec<u16> = (0..4).map(|_| client.get(OPEN).status).collect();
    assert_eq!(statuses, [503, 503, 200, 200]);
    let expected = [(Fault::Html, 200), (Fault::Unauthorized, 401), (Fault::Forbidden, 403), (Fault::Redirect, 302)];
    for (kind, status) in
        expected.into_iter().chain([(Fault::Status, 500), (Fault::BlockHtml, 403), (Fault::BlockEmpty, 403)])
    {
        assert_eq!(broken(kind).get(OPEN).status, status, "{kind:?}");
    }
    assert!(rejects(&broken(Fault::Html).get(OPEN).body) && rejects(&broken(Fault::Empty).get(OPEN).body));
    assert!(!rejects(&broken(Fault::Forbidden).get(OPEN).body), "a missing right is told as JSON");
    assert!(rejects(&broken(Fault::BlockHtml).get(OPEN).body) && broken(Fault::BlockEmpty).get(OPEN).body.is_empty());
    assert_eq!(broken(Fault::Reset).get(OPEN).cut, Cut::Reset);
}

#[tokio::test(start_paused = true)]
async fn a_404_has_the_body_that_is_asked_for() {
    let unrouted = r#"{"message":"No static resource v2/account/alerts/open."}"#;
    let body = |rule: Rule| broken_by(rule.on(OPEN).status(404)).get(OPEN);
    let reply = body(Rule::new(Fault::Status).text(unrouted));
    assert_eq!((reply.status, reply.body), (404, unrouted.as_bytes().to_vec()));
    let reply = body(Rule::new(Fault::Status));
    assert_eq!((reply.status, reply.body), (404, br#"{"errorMessage":"simulated failure"}"#.to_vec()));
    let reply = body(Rule::new(Fault::Empty));
    assert_eq!((reply.status, reply.body), (404, Vec::new()));
    let reply = body(Rule::new(Fault::Html));
    assert_eq!((reply.status, reply.body.first()), (404, Some(&b'<')));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_missing_leaves_the_counts() {
    let client = broken_by(Rule::new(Fault::MissingRow).on("/api/v2/account/devices"));
    let page = client.json("/api/v2/account/devices");
    assert_eq!((page["devices"].as_array().unwrap().len(), &page["pageDetails"]["totalCount"]), (11, &12.into()));
}

#[tokio::test(start_paused = true)]
async fn passing_faults_come_and_go() {
    let client = Client::new(Options { faults: Faults::passing(0.05), request_limit: 10_000, ..Options::default() });
    let replies: Vec<Reply> = (0..1000).map(|_| client.get(OPEN)).collect();
    let good = replies.iter().filter(|reply| reply.status == 200 && reply.cut == Cut::None && !rejects(&reply.body));
    let good = good.count();
    assert!((600..850).contains(&good), "{good} of 1000");
    for status in [0, 200, 500, 504] {
        assert!(replies.iter().any(|reply| reply.status == status), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_is_told_in_every_form() {
    let forms = [
        (RetryAfter::Seconds, Some("60")),
        (RetryAfter::Date, Some("Fri, 20 Nov 2026 22:06:45 GMT")),
        (RetryAfter::None, None),
        (RetryAfter::Absurd, Some("99999999999999999999")),
    ];
    for (retry_after, expected) in forms {
        let client = Client::new(Options { request_limit: 1, retry_after, ..Options::quiet() });
        let reply = client.get(OPEN);
        assert_eq!((reply.status, header(&reply, "retry-after")), (429, expected));
    }
    let client = broken_by(Rule::new(Fault::TooMany).text("soon"));
    assert_eq!(header(&client.get(OPEN), "retry-after"), Some("soon"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_cut_or_slow_and_then_counts_as_not_shown() {
    let client = broken(Fault::Truncate);
    let reply = client.get(OPEN);
    assert_eq!(reply.cut, Cut::Truncate(reply.body.len() / 2));
    assert!(client.sim.truth().alerts.iter().all(|alert| !alert.shown_open));
    assert_eq!(broken(Fault::SlowAnswer).get(OPEN).delay, Duration::from_secs(5));
    assert_eq!(broken(Fault::SlowBody).get(OPEN).trickle, Duration::from_secs(5));
    client.sim.set_faults(Faults::default());
    client.get(OPEN);
    assert!(client.sim.truth().alerts.iter().all(|alert| alert.shown_open));
}

#[tokio::test(start_paused = true)]
async fn links_lie() {
    let next = |kind| broken(kind).json(&format!("{OPEN}?max=2&muted=false"))["pageDetails"]["nextPageUrl"].clone();
    assert_eq!(next(Fault::NextElsewhere), format!("https://elsewhere.example{OPEN}?max=2&page=1"));
    assert_eq!(next(Fault::NextSame), format!("{HOST}{OPEN}?max=2&muted=false"));
    assert_eq!(next(Fault::NextForgets), format!("{HOST}{OPEN}?page=1"));
    let empty = broken(Fault::EmptyPage).json(OPEN);
    assert!(empty["alerts"].as_array().unwrap().is_empty() && empty["pageDetails"]["nextPageUrl"].is_string());
    let sites = broken(Fault::NoTotalCount).json("/api/v2/account/sites");
    assert_eq!(sites["pageDetails"].get("totalCount"), None);
    let log = broken_by(Rule::new(Fault::ActivityError).text("shards failed")).json("/api/v2/activity-logs");
    assert_eq!((&log["error"], log["activities"].as_array().unwrap().len()), (&Value::from("shards failed"), 0));
}

#[tokio::test(start_paused = true)]
async fn a_broken_item_comes_on_top_of_the_true_ones() {
    for kind in [Fault::ItemNoObject, Fault::ItemWithoutId, Fault::ItemDuplicateKey, Fault::RepeatedRow] {
        let alerts = broken(kind).json(OPEN)["alerts"].as_array().unwrap().clone();
        assert_eq!(alerts.len(), 6, "{kind:?}");
        assert!(alerts[..5].iter().all(|alert| alert["alertUid"].is_string()));
        let last = &alerts[5];
        let like_the_first = last.get("alertUid") == Some(&alerts[0]["alertUid"]);
        assert_eq!(like_the_first, matches!(kind, Fault::ItemDuplicateKey | Fault::RepeatedRow), "{kind:?}");
        assert_eq!(last.is_object(), kind != Fault::ItemNoObject);
    }
    let text = |kind| String::from_utf8_lossy(&broken(kind).get(OPEN).body).into_owned();
    assert!(text(Fault::ItemDuplicateKey).contains("\"muted\":false,\"muted\":true"));
    assert!(text(Fault::ItemHugeNumber).contains("-1e999999"));
    assert!(std::str::from_utf8(&broken(Fault::ItemInvalidUtf8).get(OPEN).body).is_err());
}

#[tokio::test(start_paused = true)]
async fn fields_become_null_but_never_the_id() {
    let named = broken_by(Rule::new(Fault::NullFields).text("alertSourceInfo")).json(OPEN);
    assert!(named["alerts"].as_array().unwrap().iter().all(|alert| alert["alertSourceInfo"].is_null()));
    let client = broken(Fault::NullFields);
    let mut nulled = std::collections::BTreeSet::new();
    for _ in 0..14 {
        for alert in client.json(OPEN)["alerts"].as_array().unwrap() {
            assert!(alert["alertUid"].is_string());
            let nulls = alert.as_object().unwrap().iter().filter(|(_, value)| value.is_null());
            nulled.extend(nulls.map(|(key, _)| key.clone()));
        }
    }
    assert_eq!(nulled.len(), 13, "every other field in its turn: {nulled:?}");
}

#[tokio::test(start_paused = true)]
async fn bodies_can_be_monstrous() {
    let bomb = broken_by(Rule { bytes: Some(8 << 20), ..Rule::new(Fault::GzipBomb) }).get(OPEN);
    assert_eq!(header(&bomb, "content-encoding"), Some("gzip"));
    assert!(bomb.body.len() < 64 << 10, "{} bytes", bomb.body.len());
    let mut inflated = flate2::read::GzDecoder::new(bomb.body.as_slice());
    assert_eq!(std::io::copy(&mut inflated, &mut std::io::sink()).unwrap(), 8 << 20);
    let huge = broken_by(Rule { bytes: Some(3 << 20), ..Rule::new(Fault::HugeBody) }).get(OPEN);
    assert_eq!(huge.body.len(), 3 << 20);
}
