//! Tokens: one login, renewed ahead, once after a 401, slowly after a refusal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::look;
use crate::datto::credential::{CredentialError, CredentialSource, Credentials};
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::state::Login;
use crate::datto::testing::{LOGIN, OPEN_ALERTS, RATE, SECRET, World, html, json};
use crate::secret::Secret;

#[tokio::test(start_paused = true)]
async fn the_first_calls_are_login_and_count_and_all_share_one_login() {
    let world = World::new();
    world.script.latency(Duration::from_millis(200));
    let client = world.client().await;
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let client = client.clone();
        calls.spawn(async move { look(&client).await });
    }
    while let Some(result) = calls.join_next().await {
        result.expect("no panic").expect("an answer");
    }
    let seen = world.script.seen();
    assert_eq!([&seen[0].path, &seen[1].path], [LOGIN, RATE]);
    assert!(seen[2].at >= seen[1].at + Duration::from_millis(200), "nothing goes before the count is known");
    assert_eq!((world.script.count(LOGIN), world.script.count(RATE), world.script.count(OPEN_ALERTS)), (1, 1, 20));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_its_hundred_hours_end() {
    let world = World::new();
    let client = world.client().await;
    look(&client).await.expect("an answer");
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_hours(100) {
        look(&client).await.expect("an answer");
        sleep(Duration::from_mins(30)).await;
    }
    let logins: Vec<Duration> =
        world.script.seen().iter().filter(|s| s.path == LOGIN).map(|s| s.at - begin + Duration::from_secs(1)).collect();
    assert_eq!(logins.len(), 2, "{logins:?}");
    assert!(logins[1] > Duration::from_hours(74) && logins[1] < Duration::from_hours(81), "{:?}", logins[1]);
    let tokens: Vec<_> = world.script.seen().iter().filter_map(|s| s.token.clone()).collect();
    assert_eq!((tokens[0].as_str(), tokens[tokens.len() - 1].as_str()), ("token-1", "token-2"));
}

#[tokio::test(start_paused = true)]
async fn an_early_renewal_that_fails_leaves_the_old_token_in_use() {
    let world = World::new();
    let client = world.client().await;
    look(&client).await.expect("an answer");
    world.script.always(LOGIN, Some(json(503, "{}")));
    sleep(Duration::from_hours(90)).await;
    for _ in 0..10 {
        look(&client).await.expect("the old token serves");
    }
    assert_eq!(world.script.count(LOGIN), 2, "one try, then a pause");
    sleep(Duration::from_hours(11)).await;
    let error = look(&client).await.expect_err("the token has ended");
    assert!(matches!(error, ClientError::Failed { attempts: 5, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_401_means_one_renewal_and_one_replay() {
    let world = World::new();
    let client = world.client().await;
    look(&client).await.expect("an answer");
    world.script.next(OPEN_ALERTS, [Ok(json(401, "{}"))]);
    look(&client).await.expect("the replay");
    assert_eq!((world.script.count(LOGIN), world.script.count(OPEN_ALERTS)), (2, 3));

    world.script.always(OPEN_ALERTS, Some(json(401, "{}")));
    let error = look(&client).await.expect_err("a second 401");
    assert!(matches!(&error, ClientError::Failed { attempts: 2, .. }), "{error}");
    assert_eq!((world.script.count(LOGIN), world.script.count(OPEN_ALERTS)), (3, 5));
}

#[tokio::test(start_paused = true)]
async fn many_401s_at_once_lead_to_one_login() {
    let world = World::new();
    world.script.latency(Duration::from_millis(100));
    let client = world.client().await;
    look(&client).await.expect("an answer");
    world.script.next(OPEN_ALERTS, (0..10).map(|_| Ok(json(401, "{}"))));
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let client = client.clone();
        calls.spawn(async move { look(&client).await });
    }
    while let Some(result) = calls.join_next().await {
        result.expect("no panic").expect("the replay");
    }
    assert_eq!(world.script.count(LOGIN), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_stops_the_account_and_asks_again_slowly() {
    let world = World::new();
    let refusal = format!(r#"{{"error":"invalid_grant","error_description":"Bad credentials for {SECRET}"}}"#);
    for status in [400, 401, 404] {
        world.script.always(LOGIN, Some(json(status, &refusal)));
        let client = world.client().await;
        let before = world.script.count(LOGIN);
        let error = look(&client).await.expect_err("refused");
        let ClientError::Rejected { text, retry_at } = &error else { panic!("{error}") };
        for part in ["`acme`", "merlot", "invalid_grant", "API access", "regenerated", "another platform"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(text.contains("https://merlot.centrastage.net") && !text.contains(SECRET), "{text}");
        assert_eq!(retry_at.since(world.clock.now()), Duration::from_mins(5));
        assert!(matches!(client.state().login, Login::Refused { .. }));
        for _ in 0..50 {
            assert!(matches!(look(&client).await, Err(ClientError::Rejected { .. })));
        }
        assert_eq!(world.script.count(LOGIN), before + 1);
        sleep(Duration::from_mins(5)).await;
        assert!(matches!(look(&client).await, Err(ClientError::Rejected { .. })));
        assert_eq!(world.script.count(LOGIN), before + 2);
    }
    assert_eq!(world.script.count(OPEN_ALERTS), 0);
}

#[tokio::test(start_paused = true)]
async fn a_login_page_or_a_failing_login_is_tried_again() {
    let world = World::new();
    world.script.next(LOGIN, [Ok(html(200)), Ok(json(502, "")), Ok(json(200, "{\"access_token\":"))]);
    let client = world.client().await;
    look(&client).await.expect("the fourth login");
    assert_eq!(world.script.count(LOGIN), 4);
}

/// Reads a file that is replaced and now and then missing.
struct Rotating(AtomicU32);

impl CredentialSource for Rotating {
    fn credentials(&self) -> Result<Credentials, CredentialError> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Err(CredentialError("/run/secrets/acme: not found".to_owned())),
            n => Ok(Credentials { key: Secret::new("key"), secret: Secret::new(&format!("secret-{n}")) }),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_are_read_at_every_login() {
    let mut world = World::new();
    world.settings.credentials = Arc::new(Rotating(AtomicU32::new(0)));
    let client = world.client().await;
    let error = look(&client).await.expect_err("no secret yet");
    assert!(matches!(&error, ClientError::Rejected { text, .. } if text.contains("/run/secrets/acme")), "{error}");
    assert_eq!(world.script.paths().len(), 0);
    sleep(Duration::from_mins(5)).await;
    look(&client).await.expect("the secret is there now");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_closed_ends_every_call() {
    let world = World::new();
    world.script.always(OPEN_ALERTS, Some(json(503, "")));
    let client = world.client().await;
    let waiting = client.clone();
    let mut calls = JoinSet::new();
    calls.spawn(async move { waiting.get(Lane::Alerts, "/v2/account/alerts/open", &[]).await.map(|_| ()) });
    sleep(Duration::from_millis(500)).await;
    client.close().await;
    let begin = Instant::now();
    assert_eq!(calls.join_next().await.expect("one").expect("no panic"), Err(ClientError::Stopped));
    assert_eq!(look(&client).await, Err(ClientError::Stopped));
    assert_eq!(begin.elapsed(), Duration::ZERO);
}
