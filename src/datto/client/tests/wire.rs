//! The client over real HTTP, against a small server on 127.0.0.1.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use crate::clock::Clock;
use crate::datto::breaker::Platform;
use crate::datto::client::{Client, Settings};
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::model::{account, alert};
use crate::datto::page::PageRequest;
use crate::datto::testing::World;
use crate::datto::transport::HttpTransport;

const PAGES: usize = 3;

/// A page of two alerts; the next page's address holds the page number only.
async fn open_alerts(
    State(root): State<Arc<String>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<String, StatusCode> {
    if headers.get("authorization").is_none_or(|value| value != "Bearer tok") {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let query = query.unwrap_or_default();
    if !query.contains("max=250") {
        return Err(StatusCode::BAD_REQUEST);
    }
    let page: usize =
        query.split('&').find_map(|p| p.strip_prefix("page=")?.parse().ok()).ok_or(StatusCode::BAD_REQUEST)?;
    let next = if page + 1 < PAGES {
        format!("\"{root}api/v2/account/alerts/open?page={}\"", page + 1)
    } else {
        "null".into()
    };
    let alerts = format!(r#"[{{"alertUid":"a{page}"}},{{"alertUid":"b{page}"}}]"#);
    Ok(format!(r#"{{"pageDetails":{{"count":2,"nextPageUrl":{next}}},"alerts":{alerts}}}"#))
}

async fn client(tasks: &mut JoinSet<()>) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let root = format!("http://{}/", listener.local_addr().expect("an address"));
    let routes = Router::new()
        .route("/auth/oauth/token", post(async || r#"{"access_token":"tok","expires_in":360000}"#))
        .route("/api/v2/system/request_rate", get(async || r#"{"accountCount":2,"accountRateLimit":600}"#))
        .route("/api/v2/account", get(async || r#"{"uid":"ab1c0002","name":"MSP"}"#))
        .route("/api/v2/account/alerts/open", get(open_alerts))
        .route("/api/v2/alert/{uid}", get(async || (StatusCode::NOT_FOUND, r#"{"errorMessage":"no such alert"}"#)))
        .with_state(Arc::new(root.clone()));
    tasks.spawn(async move { axum::serve(listener, routes).await.expect("served") });
    let world = World::new();
    let api_url = Url::parse(&root).expect("an address");
    let clock = Clock::system();
    let memory = world.memory.clone();
    let platform =
        Platform::open(&api_url, Duration::from_mins(5), memory.clone(), clock.clone()).await.expect("a platform");
    let transport = Arc::new(HttpTransport::new("vintner/test", crate::net::Egress::default()).expect("a transport"));
    Client::open(Settings { api_url, ..world.settings }, platform, transport, memory, clock).await.expect("a client")
}

#[tokio::test]
async fn a_list_is_read_to_its_end_over_http() {
    let mut tasks = JoinSet::new();
    let client = client(&mut tasks).await;
    let answer = client.get(Lane::Lookup, "/v2/account", &[]).await.expect("an account");
    assert_eq!(account::decode(&answer.json).expect("an account").uid.as_str(), "ab1c0002");
    let mut next = Some(PageRequest::list("/v2/account/alerts/open", "alerts"));
    let mut uids = Vec::new();
    while let Some(request) = next {
        let page = client.page(Lane::Alerts, &request).await.expect("a page");
        uids.extend(page.items.iter().map(|item| alert::decode(item).expect("an alert").uid));
        next = page.next;
    }
    assert_eq!(uids, ["a0", "b0", "a1", "b1", "a2", "b2"]);
    let missing = client.get(Lane::Lookup, "/v2/alert/none", &[]).await.expect_err("missing");
    assert_eq!(missing, ClientError::NotFound { path: "/v2/alert/none".to_owned() });
    let unrouted = client.get(Lane::Lookup, "/v2/alerts/none", &[]).await.expect_err("no such path");
    assert!(matches!(unrouted, ClientError::Failed { attempts: 1, .. }), "{unrouted}");
    assert_eq!(client.rate().used, 8, "login, count, account, three pages, look-up, wrong path");
}
