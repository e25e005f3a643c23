//! Answers as they came: errors too, without a second try, and with the same care for token, quota and block.

use std::time::Duration;

use tokio::time::Instant;

use crate::datto::TransportError;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::testing::{OPEN_ALERTS, World, html, json, throttled};

const PATH: &str = "/v2/account/alerts/open";

#[tokio::test(start_paused = true)]
async fn an_error_is_an_answer_and_is_not_tried_again() {
    let world = World::new();
    let client = world.client().await;
    for (reply, status) in [
        (json(200, "{}"), 200),
        (json(400, r#"{"errorMessage":"no"}"#), 400),
        (json(404, ""), 404),
        (json(500, "{}"), 500),
        (html(200), 200),
        (html(503), 503),
    ] {
        let (body, before) = (reply.body.clone(), world.script.count(OPEN_ALERTS));
        world.script.next(OPEN_ALERTS, [Ok(reply)]);
        let looked = client.look(Lane::Lookup, PATH, &[]).await.expect("an answer");
        assert_eq!((looked.status, looked.body), (status, body));
        assert_eq!(world.script.count(OPEN_ALERTS), before + 1, "{status}");
    }
    world.script.next(OPEN_ALERTS, [Err(TransportError::Timeout(Duration::from_secs(30)))]);
    let lost = client.look(Lane::Lookup, PATH, &[]).await;
    assert!(matches!(lost, Err(ClientError::Unreachable { attempts: 1, .. })), "{lost:?}");
}

#[tokio::test(start_paused = true)]
async fn token_quota_and_block_are_minded_as_by_any_call() {
    let world = World::new();
    let client = world.client().await;
    world.script.next(OPEN_ALERTS, [Ok(json(401, "{}")), Ok(throttled(Some("7"))), Ok(json(200, "{}"))]);
    let begin = Instant::now();
    assert_eq!(client.look(Lane::Lookup, PATH, &[]).await.expect("an answer").status, 200);
    assert!(begin.elapsed() >= Duration::from_secs(7), "the pause was waited out");
    let tokens: Vec<Option<String>> =
        world.script.seen().into_iter().filter(|seen| seen.path == OPEN_ALERTS).map(|seen| seen.token).collect();
    assert_eq!(tokens, ["token-1", "token-2", "token-2"].map(|token| Some(token.to_owned())));

    world.script.next(OPEN_ALERTS, [Ok(json(403, r#"{"error":"no"}"#))]);
    let refused = client.look(Lane::Lookup, PATH, &[]).await;
    assert!(matches!(refused, Err(ClientError::Forbidden { .. })), "{refused:?}");
    world.script.next(OPEN_ALERTS, [Ok(html(403))]);
    let blocked = client.look(Lane::Lookup, PATH, &[]).await;
    assert!(matches!(blocked, Err(ClientError::Blocked { .. })), "{blocked:?}");
    let before = world.script.paths().len();
    assert!(matches!(client.look(Lane::Lookup, PATH, &[]).await, Err(ClientError::Blocked { .. })));
    assert_eq!(world.script.paths().len(), before, "nothing is sent while the platform blocks");
    client.close().await;
    assert!(matches!(client.look(Lane::Lookup, PATH, &[]).await, Err(ClientError::Stopped)));
}
