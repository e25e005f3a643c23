//! The activity log: windows, cursors, late rows.

use serde_json::json;

use super::*;
use crate::sim::right::{Entity, MissingRight};
use crate::sim::world::{EmptyPage, LargeMax, LastPage, MissingUrl, SearchAfter};

const LOG: &str = "/api/v2/activity-logs";
const WIDE: &str = "from=2026-11-20T00:00:00Z&until=2026-11-21T00:00:00Z";

/// A quiet world with rows at the given seconds from the start.
fn with_rows(options: Options, seconds: &[i64]) -> (Client, Vec<String>) {
    let client = Client::new(options);
    let write = |second: &i64| {
        client.act(Command { kind: Act::WriteActivity, date_ms: Some(START.0 + second * 1000), ..Command::default() })
    };
    let ids = seconds.iter().map(write).collect();
    (client, ids)
}

fn keep_parameters() -> Options {
    Options { dropped_parameters: Vec::new(), ..Options::quiet() }
}

#[tokio::test(start_paused = true)]
async fn a_late_row_appears_in_the_past() {
    let client = Client::new(keep_parameters());
    let late = Command { kind: Act::WriteActivity, delay_ms: 180_000, ..Command::default() };
    let id = client.act(late);
    pass(179).await;
    client.act(Command { kind: Act::WriteActivity, ..Command::default() });
    assert_eq!(client.walk(LOG, "activities").len(), 1);
    pass(1).await;
    let rows = client.walk(&format!("{LOG}?order=asc"), "activities");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["id"], id, "its date is the earlier one");
    assert_eq!(rows[0]["date"].to_string(), "1795212345.0");
}

#[tokio::test(start_paused = true)]
async fn without_a_window_only_fifteen_minutes_show() {
    let (client, ids) = with_rows(Options::quiet(), &[-901, -900, -1]);
    assert_eq!(uids(&client.walk(LOG, "activities"), "id"), [ids[2].clone(), ids[1].clone()]);
    assert_eq!(client.walk(&format!("{LOG}?max=1&{WIDE}"), "activities").len(), 3, "`max` means nothing here");
}

#[tokio::test(start_paused = true)]
async fn both_ends_of_the_window_belong_to_it() {
    let (client, ids) = with_rows(keep_parameters(), &[-5, -4, -3, -2]);
    let window = "from=2026-11-20T22:05:41Z&until=2026-11-20T22:05:42Z&order=asc";
    assert_eq!(uids(&client.walk(&format!("{LOG}?{window}"), "activities"), "id"), ids[1..3]);
}

#[tokio::test(start_paused = true)]
async fn cursors_walk_both_ways_without_loss_even_at_equal_dates() {
    let seconds: Vec<i64> = (0..40).map(|n| -100 + n / 4).collect();
    for order in ["asc", "desc"] {
        let (client, mut ids) = with_rows(keep_parameters(), &seconds);
        let query = format!("{LOG}?{WIDE}&order={order}&size=7");
        let rows = client.walk(&query, "activities");
        let mut walked = uids(&rows, "id");
        let dates: Vec<f64> = rows.iter().map(|row| row["date"].as_f64().unwrap()).collect();
        assert!(dates.is_sorted_by(|a, b| if order == "asc" { a <= b } else { a >= b }));
        let first = client.json(&query);
        let second = client.json(first["pageDetails"]["nextPageUrl"].as_str().unwrap());
        let back = client.json(second["pageDetails"]["prevPageUrl"].as_str().unwrap());
        assert_eq!(back["activities"], first["activities"]);
        walked.sort();
        ids.sort();
        assert_eq!(walked, ids);
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_comes_while_walking_neither_repeats_nor_hides_others() {
    let (client, ids) = with_rows(keep_parameters(), &[-9, -8, -7, -6]);
    let first = client.json(&format!("{LOG}?{WIDE}&order=asc&size=2"));
    client.act(Command { kind: Act::WriteActivity, date_ms: Some(START.0 - 8500), ..Command::default() });
    let rest = client.walk(first["pageDetails"]["nextPageUrl"].as_str().unwrap(), "activities");
    assert_eq!(uids(&rest, "id"), ids[2..]);
}

#[tokio::test(start_paused = true)]
async fn links_forget_the_window_and_the_last_page_has_two_forms() {
    let (client, _) = with_rows(Options::quiet(), &[-3000, -2000, -1000]);
    let page = client.json(&format!("{LOG}?{WIDE}&order=asc&size=2&entities=user"));
    let next = page["pageDetails"]["nextPageUrl"].as_str().unwrap();
    assert!(!next.contains("from=") && !next.contains("size=") && !next.contains("order="));
    assert!(next.contains("entities=user") && next.contains("searchAfter=") && next.contains("page=next"));

    let options = Options { activity_last_page: LastPage::NullUrl, ..keep_parameters() };
    let (client, _) = with_rows(options, &[-3, -2]);
    assert_eq!(client.json(&format!("{LOG}?size=2"))["pageDetails"]["nextPageUrl"], Value::Null);
}

/// What the page behind the last row says about its next one, in every form that the API may have.
#[tokio::test(start_paused = true)]
async fn the_empty_page_at_the_end_has_every_form() {
    for (form, missing_url) in [
        (EmptyPage::NoUrl, MissingUrl::Null),
        (EmptyPage::NoUrl, MissingUrl::Blank),
        (EmptyPage::NoUrl, MissingUrl::Absent),
        (EmptyPage::Itself, MissingUrl::Null),
        (EmptyPage::WithoutCursor, MissingUrl::Null),
    ] {
        let options = Options { activity_empty_page: form, missing_url, ..keep_parameters() };
        let (client, _) = with_rows(options, &[-3, -2]);
        let last = client.json(&format!("{LOG}?size=2"));
        let beyond_last = last["pageDetails"]["nextPageUrl"].as_str().unwrap();
        let beyond = client.json(beyond_last);
        assert_eq!(beyond["activities"], json!([]));
        let next = beyond["pageDetails"].get("nextPageUrl");
        match (form, missing_url) {
            (EmptyPage::NoUrl, MissingUrl::Null) => assert_eq!(next, Some(&Value::Null)),
            (EmptyPage::NoUrl, MissingUrl::Blank) => assert_eq!(next, Some(&json!(""))),
            (EmptyPage::NoUrl, MissingUrl::Absent) => assert_eq!(next, None),
            (EmptyPage::Itself, _) => assert_eq!(next, Some(&json!(beyond_last))),
            (EmptyPage::WithoutCursor, _) => {
                let next = next.unwrap().as_str().unwrap();
                assert!(
                    !next.contains("searchAfter") && next.contains("size=2") && next.contains("page=next"),
                    "{next}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_in_two_parameters_is_needed_whole() {
    let options = Options { search_after: SearchAfter::Repeated, ..keep_parameters() };
    let (client, ids) = with_rows(options, &[-3, -2, -1]);
    let first = client.json(&format!("{LOG}?order=asc&size=1"));
    let next = first["pageDetails"]["nextPageUrl"].as_str().unwrap();
    assert_eq!(next.matches("searchAfter=").count(), 2, "{next}");
    assert_eq!(uids(&client.walk(next, "activities"), "id"), ids[1..]);
    let half = next.rsplit_once("&searchAfter=").unwrap().0;
    assert_eq!(client.get(half).status, 400);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_too_large_is_capped_or_refused() {
    for (large_max, status) in [(LargeMax::Capped, 200), (LargeMax::Refused, 400)] {
        let client = Client::new(Options { large_max, ..Options::quiet() });
        assert_eq!(client.get("/api/v2/account/sites?max=251").status, status);
        assert_eq!(client.get("/api/v2/account/sites?max=250").status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn rows_show_every_kind_and_filters_choose_among_them() {
    let options = Options {
        activity_history: 4000,
        history_days: 1,
        page_cap: 5000,
        dropped_parameters: Vec::new(),
        ..Options::quiet()
    };
    let client = Client::new(Options { oddity_share: 0.05, ..options });
    let all = client.walk(&format!("{LOG}?from=2026-11-19T00:00:00Z&size=5000"), "activities");
    assert_eq!(all.len(), 4000);
    let any = |wanted: &dyn Fn(&Value) -> bool| all.iter().any(wanted);
    for kind in crate::sim::shape::details::KINDS {
        let is = |row: &Value| {
            row["entity"] == kind.entity && row["category"] == kind.category && row["action"] == kind.action
        };
        assert!(any(&is), "{} {} {}", kind.entity, kind.category, kind.action);
    }
    let parsed = |row: &Value| row["details"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    assert!(any(&|row| parsed(row).is_none()), "broken details");
    assert!(any(&|row| parsed(row).is_some_and(|details| details["device.uid"].is_string())));
    for key in ["data.device_list", "data.device_uids", "data.new_roles", "data.deleted_roles", "data.retired_jobs_ids"]
    {
        let is_text = |row: &Value| {
            parsed(row).is_some_and(|details| details[key].as_str().is_some_and(|text| text.starts_with('[')))
        };
        assert!(any(&is_text), "{key} as text");
        assert!(any(&|row| parsed(row).is_some_and(|details| details[key].is_array())), "{key} as an array");
    }
    let listed = |row: &Value| parsed(row).and_then(|details| details["data.device_list"].as_array().map(Vec::len));
    assert!(any(&|row| listed(row) == Some(1)) && any(&|row| listed(row) > Some(2)));
    assert!(
        any(&|row| row["user"].is_null()) && any(&|row| row["site"].is_null()) && any(&|row| row["deviceId"].is_i64())
    );
    let logins = client
        .walk(&format!("{LOG}?from=2026-11-19T00:00:00Z&entities=USER&actions=login,logout&size=50"), "activities");
    let expected = all.iter().filter(|row| row["action"] == "login" || row["action"] == "logout").count();
    assert_eq!(logins.len(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_resolution_in_the_portal_is_told_with_the_same_name() {
    let client = Client::new(Options::quiet());
    let opened: Vec<String> = (0..20).map(|_| client.open()).collect();
    opened.iter().for_each(|uid| client.resolve(uid));
    let told = client.walk(&format!("{LOG}?size=100"), "activities");
    assert!(told.len() > 2 && told.len() < 18, "some resolve in the portal, some by themselves: {}", told.len());
    for row in told {
        let details: Value = serde_json::from_str(row["details"].as_str().unwrap()).unwrap();
        let list = details["data.alert_uid_list"].as_str().unwrap();
        let alert = client.json(&format!("/api/v2/alert/{}", list.trim_matches(['[', ']'])));
        assert_eq!(alert["resolvedBy"], row["user"]["userName"]);
    }
}

/// A lesser API user: other rows are not there, and only a call for nothing else shows that.
#[tokio::test(start_paused = true)]
async fn rows_without_a_right_are_hidden_or_refused() {
    let week = "/api/v2/activity-logs?from=2026-11-01T00:00:00Z&until=2026-11-20T22:05:45Z&size=250&order=asc";
    let options = |entities: &[Entity], missing_right| Options {
        activity_history: 200,
        history_days: 5,
        activity_entities: entities.to_vec(),
        missing_right,
        ..keep_parameters()
    };
    for (missing_right, status) in
        [(MissingRight::Hidden, 200), (MissingRight::Forbidden, 403), (MissingRight::ServerError, 500)]
    {
        let client = Client::new(options(&[Entity::Device], missing_right));
        let rows = client.walk(week, "activities");
        assert!(rows.len() > 20, "{}", rows.len());
        assert!(rows.iter().all(|row| row["entity"] != "USER"));
        let devices = rows.iter().filter(|row| row["entity"] == "DEVICE").count();
        assert_eq!(client.walk(&format!("{week}&entities=device,user"), "activities").len(), devices);
        let reply = client.get(&format!("{week}&entities=USER"));
        assert_eq!(reply.status, status);
        let nobody = Client::new(options(&[], missing_right));
        assert_eq!(nobody.get(week).status, status);
        nobody.act_unnamed(Act::GrantActivity);
        assert_eq!(nobody.walk(week, "activities").len(), 200);
    }
}
