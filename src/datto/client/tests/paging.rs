//! Lists: pages in full, next pages only where they belong, and never an empty list by mistake.

use crate::clock::Millis;
use crate::datto::Response;
use crate::datto::client::Client;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::page::{ListPage, PageRequest};
use crate::datto::testing::{OPEN_ALERTS, World, json};

const HOST: &str = "https://merlot-api.centrastage.net";
const ACTIVITY: &str = "/api/v2/activity-logs";

fn open_alerts() -> PageRequest {
    PageRequest::list("/v2/account/alerts/open", "alerts")
}

fn alerts(next: &str, items: &str) -> Response {
    json(200, &format!(r#"{{"pageDetails":{{"count":1,"nextPageUrl":{next}}},"alerts":[{items}]}}"#))
}

async fn page(client: &Client, request: &PageRequest) -> Result<ListPage, ClientError> {
    client.page(Lane::Alerts, request).await
}

#[tokio::test(start_paused = true)]
async fn items_stay_as_received_and_the_next_page_keeps_the_parameters() {
    let world = World::new();
    let client = world.client().await;
    let next = format!("\"{HOST}/api/v2/account/alerts/open?page=1&extra=x&max=10\"");
    let items = r#"{"alertUid":"a","n":1.10, "x":"\u0041"},null,7,{"a":1,"a":2}"#;
    world.script.next(OPEN_ALERTS, [Ok(alerts(&next, items))]);
    let first = page(&client, &open_alerts().with("muted", "false")).await.expect("a page");
    let texts: Vec<&str> = first.items.iter().map(|item| item.get()).collect();
    assert_eq!(texts, [r#"{"alertUid":"a","n":1.10, "x":"\u0041"}"#, "null", "7", r#"{"a":1,"a":2}"#]);
    let second = first.next.expect("another page");
    page(&client, &second).await.expect("a page");
    let queries: Vec<String> =
        world.script.seen().into_iter().filter(|s| s.path == OPEN_ALERTS).map(|s| s.query).collect();
    assert_eq!(queries, ["max=250&page=0&muted=false", "max=250&muted=false&page=1&extra=x"]);
}

#[tokio::test(start_paused = true)]
async fn numbered_pages_are_counted_on_whatever_the_address_says() {
    let world = World::new();
    let client = world.client().await;
    let mut request = open_alerts();
    for (n, tail) in ["?page=1", "?page=1", "?page=7", "", "?page=0&max=1"].iter().enumerate() {
        world.script.next(OPEN_ALERTS, [Ok(alerts(&format!("\"{OPEN_ALERTS}{tail}\""), "{}"))]);
        let key = request.key();
        request = page(&client, &request).await.expect("a page").next.expect("another page");
        assert!(request.query().contains(&("page".to_owned(), (n + 1).to_string())), "{:?}", request.query());
        assert_ne!(request.key(), key);
    }
}

#[tokio::test(start_paused = true)]
async fn addresses_of_next_pages_are_bounded_and_do_not_grow() {
    let world = World::new();
    let client = world.client().await;
    let mut request = open_alerts();
    let mut pages = 0;
    let error = loop {
        let next = format!("\"{OPEN_ALERTS}?page=1&more{pages}={}\"", "x".repeat(1000));
        world.script.always(OPEN_ALERTS, Some(alerts(&next, "{}")));
        match page(&client, &request).await {
            Ok(page) => request = page.next.expect("another page"),
            Err(error) => break error.to_string(),
        }
        pages += 1;
        assert!(pages < 20, "it grows without end");
    };
    assert!(error.contains("adds parameters without end"), "{error}");
    let long = format!("\"{OPEN_ALERTS}?page={}\"", "1".repeat(9000));
    world.script.always(OPEN_ALERTS, Some(alerts(&long, "{}")));
    let error = page(&client, &open_alerts()).await.expect_err("too long").to_string();
    assert!(error.contains("the next page's address has 90"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_page_of_too_many_items_is_not_asked_for_again() {
    let world = World::new();
    let client = world.client().await;
    world.script.always(OPEN_ALERTS, Some(alerts("null", &vec!["{}"; 2501].join(","))));
    let error = page(&client, &open_alerts()).await.expect_err("too many").to_string();
    assert!(error.contains("2501 items in one page") && error.contains("tries: 1"), "{error}");
    assert_eq!(world.script.count(OPEN_ALERTS), 1);
}

#[tokio::test(start_paused = true)]
async fn a_next_page_elsewhere_is_refused_and_nothing_is_sent_there() {
    let world = World::new();
    let client = world.client().await;
    for target in [
        "https://evil.example/api/v2/account/alerts/open?page=1",
        "http://merlot-api.centrastage.net/api/v2/account/alerts/open?page=1",
        "http://merlot-api.centrastage.net:443/api/v2/account/alerts/open?page=1",
        "https://merlot-api.centrastage.net:8443/api/v2/account/alerts/open?page=1",
        "https://merlot-api.centrastage.net.evil.example/api/v2/account/alerts/open",
        "https://merlot-api.centrastage.net@evil.example/api/v2/account/alerts/open",
        "https://user:pw@merlot-api.centrastage.net/api/v2/account/alerts/open",
        "https://merlot-api.centrastage.net/api/v2/user/resetApiKeys",
        "https://merlot-api.centrastage.net/api/v2/account/alerts/open/../resolved",
        "//evil.example/api/v2/account/alerts/open",
        "\\\\evil.example\\api\\v2\\account\\alerts\\open",
        "javascript:alert(1)",
    ] {
        let next = serde_json::to_string(target).expect("a text");
        world.script.next(OPEN_ALERTS, [Ok(alerts(&next, r#"{"alertUid":"a"}"#))]);
        let first = page(&client, &open_alerts()).await.expect("the page itself is good");
        assert_eq!(first.items.len(), 1, "its items are not lost");
        let before = world.script.paths().len();
        let error = page(&client, &first.next.expect("a next page")).await.expect_err("refused");
        assert!(matches!(&error, ClientError::ForeignPage { .. }), "{target}: {error}");
        assert!(!error.to_string().contains("pw"), "{error}");
        assert_eq!(world.script.paths().len(), before, "{target}");
    }
}

/// A mistake here would make every alert vanish.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_surely_an_empty_list_fails() {
    let world = World::new();
    let client = world.client().await;
    for body in [
        "{}",
        "[]",
        "null",
        "\"\"",
        r#"{"pageDetails":{"nextPageUrl":null}}"#,
        r#"{"pageDetails":{"count":3},"alerts":null}"#,
        r#"{"pageDetails":{"count":0,"nextPageUrl":"/api/v2/account/alerts/open?page=1"},"alerts":null}"#,
        r#"{"pageDetails":{"count":0},"alerts":{}}"#,
        r#"{"pageDetails":[],"alerts":[]}"#,
        r#"{"pageDetails":{"nextPageUrl":5},"alerts":[]}"#,
        r#"{"alerts":[],"alerts":[{"alertUid":"a"}]}"#,
        r#"{"pageDetails":{"nextPageUrl":null,"nextPageUrl":"x"},"alerts":[]}"#,
        r#"{"pageDetails":{"count":0},"alerts":[],"error":"log store down"}"#,
        r#"{"pageDetails":{"count":0},"alerts":[],"error":{"code":5}}"#,
        r#"{"alerts":[]} trailing"#,
    ] {
        world.script.always(OPEN_ALERTS, Some(json(200, body)));
        let error = page(&client, &open_alerts()).await.expect_err(body);
        assert!(matches!(error, ClientError::Failed { attempts: 5, .. }), "{body}: {error}");
    }
    for body in [
        r#"{"pageDetails":{"count":0,"nextPageUrl":null},"alerts":null}"#,
        r#"{"pageDetails":{"count":0}}"#,
        r#"{"alerts":[]}"#,
        r#"{"pageDetails":null,"alerts":[],"error":null}"#,
        r#"{"pageDetails":{"count":0,"nextPageUrl":""},"alerts":[],"error":""}"#,
    ] {
        world.script.always(OPEN_ALERTS, Some(json(200, body)));
        let empty = page(&client, &open_alerts()).await.expect(body);
        assert!(empty.items.is_empty() && empty.next.is_none(), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_without_page_details_is_read_until_a_page_is_empty() {
    let world = World::new();
    let client = world.client().await;
    world.script.next(OPEN_ALERTS, [Ok(json(200, r#"{"alerts":[{},{}]}"#)), Ok(json(200, r#"{"alerts":[]}"#))]);
    let first = page(&client, &open_alerts()).await.expect("a page");
    let second = page(&client, &first.next.expect("perhaps more")).await.expect("a page");
    assert!(second.next.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_activity_log_keeps_its_window_and_follows_the_cursor() {
    let world = World::new();
    let client = world.client().await;
    let request = PageRequest::activity(Millis(1_795_212_000_000), Millis(1_795_212_345_000), 250);
    let body =
        |next: &str| json(200, &format!(r#"{{"pageDetails":{{"nextPageUrl":{next}}},"activities":[{{"id":"1"}}]}}"#));
    let address =
        format!("\"{HOST}{ACTIVITY}?searchAfter=1662554037000,60761aa3&page=next&from=1970-01-01T00:00:00Z\"");
    world.script.next(ACTIVITY, [Ok(body(&address)), Ok(body("null"))]);
    let first = client.page(Lane::Activity, &request).await.expect("a page");
    let last = client.page(Lane::Activity, &first.next.expect("another page")).await.expect("a page");
    assert!(last.next.is_none());
    let queries: Vec<String> =
        world.script.seen().into_iter().filter(|s| s.path == ACTIVITY).map(|s| s.query).collect();
    let window = "from=2026-11-20T22%3A00%3A00Z&until=2026-11-20T22%3A05%3A45Z&size=250&order=asc";
    assert_eq!(queries, [window.to_owned(), format!("{window}&searchAfter=1662554037000%2C60761aa3&page=next")]);

    // Without a cursor the same page would come again, and the window would look finished.
    world.script.always(ACTIVITY, Some(body(&format!("\"{HOST}{ACTIVITY}?page=next\""))));
    let error = client.page(Lane::Activity, &request).await.expect_err("no cursor");
    assert!(matches!(error, ClientError::Failed { .. }), "{error}");
}

/// The empty page at the end is the usual form; what it says about its own next page is unknown.
#[tokio::test(start_paused = true)]
async fn an_activity_page_without_rows_ends_the_list_whatever_its_address_says() {
    let world = World::new();
    let client = world.client().await;
    let request = PageRequest::activity(Millis(0), Millis(1_000), 250);
    let itself = format!("\"{HOST}{ACTIVITY}?searchAfter=1,a&page=next\"");
    let without_cursor = format!("\"{HOST}{ACTIVITY}?page=next&size=250\"");
    for next in [
        "null",
        "\"\"",
        "\" \"",
        &itself,
        &without_cursor,
        "\"https://evil.example/x\"",
        "\"http://[\"",
        "false",
        "{}",
        "0",
    ] {
        for (rows, count) in [("[]", "0"), ("null", "0")] {
            let details = format!(r#"{{"count":{count},"nextPageUrl":{next}}}"#);
            let body = format!(r#"{{"pageDetails":{details},"activities":{rows},"error":null}}"#);
            world.script.next(ACTIVITY, [Ok(json(200, &body))]);
            let page = client.page(Lane::Activity, &request).await.expect(&body);
            assert!(page.items.is_empty() && page.next.is_none(), "{body}");
        }
    }
    // A page with rows must say how the list goes on.
    for next in [&without_cursor, "\"http://[\"", "{}", "0", &format!("\"{ACTIVITY}?searchAfter=&page=next\"")] {
        let body = format!(r#"{{"pageDetails":{{"nextPageUrl":{next}}},"activities":[{{"id":"1"}}]}}"#);
        world.script.always(ACTIVITY, Some(json(200, &body)));
        client.page(Lane::Activity, &request).await.expect_err(&body);
    }
}

#[tokio::test(start_paused = true)]
async fn every_value_of_a_cursor_is_sent_on_in_order() {
    let world = World::new();
    let client = world.client().await;
    let request = PageRequest::activity(Millis(0), Millis(1_000), 250);
    let page = |query: &str| {
        let next = format!("{HOST}{ACTIVITY}?{query}");
        json(200, &format!(r#"{{"pageDetails":{{"nextPageUrl":"{next}"}},"activities":[{{"id":"1"}}]}}"#))
    };
    for (given, sent) in [
        ("searchAfter=2,b&page=next", "searchAfter=2%2Cb&page=next"),
        ("searchAfter=2&searchAfter=b&page=next", "searchAfter=2&searchAfter=b&page=next"),
        ("searchAfter=b&page=next&size=250&searchAfter=2", "searchAfter=b&searchAfter=2&page=next"),
        ("searchAfter=2&searchAfter=", "searchAfter=2&searchAfter=&page=next"),
        ("searchAfter=2&page=next&x=1&x=2", "searchAfter=2&page=next&x=1&x=2"),
    ] {
        world.script.next(ACTIVITY, [Ok(page(given))]);
        let next = client.page(Lane::Activity, &request).await.expect("a page").next.expect("another page");
        world.script.next(ACTIVITY, [Ok(page("searchAfter=3"))]);
        client.page(Lane::Activity, &next).await.expect("a page");
        let query = world.script.seen().pop().expect("a request").query;
        assert!(query.ends_with(&format!("&order=asc&{sent}")), "{given}: {query}");
    }
    let cursor = |query: &str| {
        world.script.next(ACTIVITY, [Ok(page(query))]);
        let client = client.clone();
        let request = request.clone();
        async move { client.page(Lane::Activity, &request).await.expect("a page").next.expect("another page").key() }
    };
    let key = cursor("searchAfter=2&searchAfter=3").await;
    assert_eq!(cursor("page=next&searchAfter=2&searchAfter=3").await, key);
    assert_ne!(cursor("searchAfter=3&searchAfter=2").await, key, "another place in the list");
}

/// A gateway passes on the addresses that the platform behind it writes.
#[tokio::test(start_paused = true)]
async fn a_gateway_s_pages_are_asked_for_at_the_gateway() {
    let world = World::new();
    let gateway = "https://rmm.gateway.example:8443";
    let client = world.client_at(gateway).await;
    for host in [
        gateway,
        "http://rmm.gateway.example:8443",
        "http://rmm.gateway.example",
        "https://rmm.gateway.example:9000",
        "https://merlot-api.centrastage.net",
        "http://syrah-api.centrastage.net",
    ] {
        let next = format!("\"{host}{OPEN_ALERTS}?page=1\"");
        world.script.next(OPEN_ALERTS, [Ok(alerts(&next, "{}")), Ok(alerts("null", "{}"))]);
        let first = page(&client, &open_alerts()).await.expect("a page");
        page(&client, &first.next.expect("another page")).await.expect(host);
        let asked = world.script.seen().pop().expect("a request");
        assert_eq!((asked.origin.as_str(), asked.path.as_str()), (gateway, OPEN_ALERTS));
    }
    for target in [
        "https://evil.example/api/v2/account/alerts/open?page=1",
        "https://merlot-api.centrastage.net:444/api/v2/account/alerts/open?page=1",
        "https://merlot-api.centrastage.net/api/v2/account/alerts/resolved?page=1",
        "https://user:pw@merlot-api.centrastage.net/api/v2/account/alerts/open?page=1",
        "ftp://rmm.gateway.example/api/v2/account/alerts/open?page=1",
    ] {
        world.script.next(OPEN_ALERTS, [Ok(alerts(&format!("\"{target}\""), "{}"))]);
        let next = page(&client, &open_alerts()).await.expect("a page").next.expect("a next page");
        let error = page(&client, &next).await.expect_err(target);
        assert!(matches!(error, ClientError::ForeignPage { .. }), "{target}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_utf8_costs_no_page() {
    let world = World::new();
    let client = world.client().await;
    let mut broken = alerts("null", r#"{"alertUid":"a","x":"?"},{"alertUid":"b"}"#);
    broken.body = broken.body.iter().map(|byte| if *byte == b'?' { 0xff } else { *byte }).collect();
    world.script.next(OPEN_ALERTS, [Ok(broken)]);
    let items = page(&client, &open_alerts()).await.expect("a page").items;
    assert_eq!(items[0].get(), "{\"alertUid\":\"a\",\"x\":\"\u{fffd}\"}");
    assert_eq!((items.len(), client.state().counts.lossy_bodies), (2, 1));
}
