//! What may pass is tried again, within bounds; what will not is not.

use std::time::Duration;

use tokio::time::Instant;

use super::look;
use crate::datto::TransportError;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::testing::{OPEN_ALERTS, Reply, SECRET, World, html, json};

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again() {
    let world = World::new();
    let client = world.client().await;
    let passing: [Reply; 4] = [
        Ok(json(503, "")),
        Err(TransportError::Broken("reset".to_owned())),
        Ok(html(200)),
        Ok(json(200, r#"{"pageDetails":{"count":1},"alerts":[{"alertUid":"#)),
    ];
    for replies in [&passing[..1], &passing] {
        world.script.next(OPEN_ALERTS, replies.iter().cloned());
        look(&client).await.expect("at last");
    }
    assert_eq!(client.state().counts.retries, 5);
}

#[tokio::test(start_paused = true)]
async fn tries_are_bounded_and_spread() {
    let world = World::new();
    let client = world.client().await;
    look(&client).await.expect("an answer");
    world.script.always(OPEN_ALERTS, Some(json(504, &format!("proxy said {SECRET}"))));
    let begin = Instant::now();
    let error = look(&client).await.expect_err("used up");
    let ClientError::Failed { reason, attempts, .. } = &error else { panic!("{error}") };
    assert_eq!((*attempts, reason.as_str()), (5, "status 504: proxy said ****"));
    assert!(begin.elapsed() >= Duration::from_secs(40) && begin.elapsed() <= Duration::from_secs(81));
    assert_eq!(world.script.count(OPEN_ALERTS), 6);
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_is_asked_once() {
    let world = World::new();
    let client = world.client().await;
    look(&client).await.expect("an answer");
    for status in [301, 302, 400, 405] {
        world.script.next(OPEN_ALERTS, [Ok(json(status, "{}"))]);
        let error = look(&client).await.expect_err("no retry");
        assert!(matches!(error, ClientError::Failed { attempts: 1, .. }), "{error}");
    }
    world.script.next(OPEN_ALERTS, [Ok(json(404, "{}"))]);
    assert!(matches!(look(&client).await, Err(ClientError::NotFound { .. })));
    world.script.next(OPEN_ALERTS, [Err(TransportError::TooLarge(7))]);
    let error = look(&client).await.expect_err("too large");
    assert!(error.to_string().contains("limits.max_body"), "{error}");
    assert_eq!(client.state().counts.retries, 0);
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_hangs_is_cut_off() {
    let world = World::new();
    let client = world.client().await;
    look(&client).await.expect("an answer");
    world.script.latency(Duration::from_hours(1));
    let error = look(&client).await.expect_err("cut off");
    let ClientError::Unreachable { attempts: 5, reason, host, .. } = &error else { panic!("{error}") };
    assert_eq!((reason.as_str(), host.as_str()), ("no complete answer within 30 s", "merlot-api.centrastage.net:443"));
}

#[tokio::test(start_paused = true)]
async fn a_path_that_an_id_would_change_is_not_sent() {
    let world = World::new();
    let client = world.client().await;
    let error = client.get(Lane::Lookup, "/v2/alert/../user/resetApiKeys", &[]).await.expect_err("refused");
    assert!(matches!(error, ClientError::Failed { attempts: 0, .. }), "{error}");
    assert!(world.script.paths().is_empty());
}
