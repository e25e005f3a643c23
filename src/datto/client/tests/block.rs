//! The two 403s: a missing right stays with its path, a block silences the platform.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::look;
use crate::datto::TransportError;
use crate::datto::client::Client;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::memory::MemoryError;
use crate::datto::testing::{LOGIN, OPEN_ALERTS, RATE, STATUS, World, html, json};

const MINUTE: Duration = Duration::from_mins(1);

async fn blocked_for(world: &World, client: &Client) -> Duration {
    match look(client).await {
        Err(ClientError::Blocked { until, .. }) => until.since(world.clock.now()),
        other => panic!("not blocked: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_block_silences_the_platform_then_one_probe_asks_and_the_pause_doubles() {
    let world = World::new();
    let platform = world.platform().await;
    let (acme, other) = (world.client_on(platform.clone(), "acme").await, world.client_on(platform, "other").await);
    look(&acme).await.expect("an answer");
    world.script.always("/", Some(html(403)));
    assert_eq!(blocked_for(&world, &acme).await, 5 * MINUTE);
    let before = world.script.paths().len();
    for minutes in [5, 10, 20, 40, 60, 60] {
        sleep(minutes * MINUTE - Duration::from_secs(1)).await;
        assert!(matches!(look(&acme).await, Err(ClientError::Blocked { .. })));
        assert!(matches!(look(&other).await, Err(ClientError::Blocked { .. })), "a token call is traffic too");
        sleep(Duration::from_secs(1)).await;
        let mut calls = JoinSet::new();
        for client in [&acme, &other, &acme, &other] {
            let client = client.clone();
            calls.spawn(async move { look(&client).await });
        }
        while let Some(result) = calls.join_next().await {
            assert!(matches!(result.expect("no panic"), Err(ClientError::Blocked { .. })));
        }
    }
    let sent = world.script.paths().split_off(before);
    assert_eq!(sent, vec![STATUS.to_owned(); 6], "one probe per pause and nothing else");

    world.script.always("/", None);
    sleep(60 * MINUTE).await;
    look(&acme).await.expect("free again");
    look(&other).await.expect("free again");
    world.script.next(OPEN_ALERTS, [Ok(html(403))]);
    assert_eq!(blocked_for(&world, &acme).await, 5 * MINUTE, "a success made the next pause short again");
}

#[tokio::test(start_paused = true)]
async fn while_the_probe_is_under_way_the_others_wait() {
    let world = World::new();
    let client = world.client().await;
    world.script.next(LOGIN, [Ok(json(403, r#"{"error":"any 403 from the token endpoint is a block"}"#))]);
    assert_eq!(blocked_for(&world, &client).await, 5 * MINUTE);
    sleep(5 * MINUTE).await;
    world.script.latency(Duration::from_secs(3));
    let prober = client.clone();
    let mut calls = JoinSet::new();
    calls.spawn(async move { look(&prober).await });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(blocked_for(&world, &client).await, Duration::from_secs(10));
    assert_eq!(calls.join_next().await.expect("one").expect("no panic"), Ok(()));
    look(&client).await.expect("free again");
    assert_eq!(world.script.count(STATUS), 1);
}

#[tokio::test(start_paused = true)]
async fn a_prober_that_gives_up_leaves_the_probe_to_the_next() {
    let world = World::new();
    let client = world.client().await;
    world.script.next(LOGIN, [Ok(html(403))]);
    blocked_for(&world, &client).await;
    sleep(5 * MINUTE).await;
    world.script.latency(Duration::from_secs(3));
    let gave_up = tokio::time::timeout(Duration::from_secs(1), look(&client)).await;
    assert!(gave_up.is_err());
    look(&client).await.expect("the next caller probes");
    assert_eq!(world.script.count(STATUS), 2);
}

#[tokio::test(start_paused = true)]
async fn a_probe_without_a_clear_answer_is_repeated_soon_and_does_not_double() {
    let world = World::new();
    let client = world.client().await;
    world.script.next(LOGIN, [Ok(html(403))]);
    blocked_for(&world, &client).await;
    let unclear = [Err(TransportError::Timeout(MINUTE)), Ok(html(200)), Ok(json(503, "")), Ok(html(403))];
    world.script.next(STATUS, unclear);
    sleep(5 * MINUTE).await;
    for _ in 0..3 {
        assert_eq!(blocked_for(&world, &client).await, MINUTE);
        sleep(MINUTE).await;
    }
    assert_eq!(blocked_for(&world, &client).await, 10 * MINUTE);
}

#[tokio::test(start_paused = true)]
async fn a_restart_during_a_block_stays_silent_and_remembers_the_length() {
    let world = World::new();
    world.script.always("/", Some(html(403)));
    blocked_for(&world, &world.client().await).await;
    sleep(5 * MINUTE).await;
    assert_eq!(blocked_for(&world, &world.client().await).await, 10 * MINUTE);
    let before = world.script.paths().len();

    sleep(4 * MINUTE).await;
    let restarted = world.client().await;
    assert_eq!(blocked_for(&world, &restarted).await, 6 * MINUTE);
    assert_eq!(world.script.paths().len(), before);
    sleep(6 * MINUTE).await;
    assert_eq!(blocked_for(&world, &restarted).await, 20 * MINUTE, "doubled across the restart");

    world.clock.jump(-86_400_000);
    let set_back = world.client().await;
    assert_eq!(blocked_for(&world, &set_back).await, 20 * MINUTE, "a clock set back does not lengthen the pause");
    sleep(20 * MINUTE).await;
    world.script.always("/", None);
    look(&set_back).await.expect("free again");
    look(&world.client().await).await.expect("nothing remembered any more");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_memory_is_never_taken_for_none() {
    let world = World::new();
    let key = "datto.block.merlot-api.centrastage.net".to_owned();
    world.memory.remember(vec![(key.clone(), "{oops".to_owned())]).await.expect("kept");
    let opened = crate::datto::breaker::Platform::open(
        &world.settings.api_url,
        MINUTE,
        world.memory.clone(),
        world.clock.clone(),
    )
    .await;
    assert_eq!(opened.err(), Some(MemoryError::Damaged(key)));
}

#[tokio::test(start_paused = true)]
async fn a_json_403_is_a_missing_right_if_the_count_may_be_read() {
    let world = World::new();
    let client = world.client().await;
    look(&client).await.expect("an answer");
    let path = "/api/v2/activity-logs";
    world.script.always(path, Some(json(403, r#"{"error":"Authenticated user doesn't have access"}"#)));
    let counts = world.script.count(RATE);
    let error = client.get(Lane::Activity, "/v2/activity-logs", &[]).await.expect_err("forbidden");
    let ClientError::Forbidden { path, needs } = &error else { panic!("{error}") };
    assert!(path == "/v2/activity-logs" && needs.contains("Administrator"), "{error}");
    assert_eq!(world.script.count(RATE), counts + 1, "asked once");
    look(&client).await.expect("the other streams go on");
}

#[tokio::test(start_paused = true)]
async fn a_json_403_is_a_block_if_the_count_is_refused_too() {
    let world = World::new();
    let client = world.client().await;
    look(&client).await.expect("an answer");
    world.script.always("/", Some(json(403, "{}")));
    assert_eq!(blocked_for(&world, &client).await, 5 * MINUTE);
}

/// A user who may read neither the count nor the activity log must not look like a block for ever.
#[tokio::test(start_paused = true)]
async fn a_user_who_may_not_read_the_count_is_not_blocked() {
    let world = World::new();
    let client = world.client().await;
    world.script.always(RATE, Some(json(403, "{}")));
    world.script.always("/api/v2/activity-logs", Some(json(403, "{}")));
    look(&client).await.expect("alerts are allowed");
    let error = client.get(Lane::Activity, "/v2/activity-logs", &[]).await.expect_err("forbidden");
    assert!(matches!(error, ClientError::Forbidden { .. }), "{error}");
    assert!(client.rate().ceiling <= 240, "nobody knows what others use");
    look(&client).await.expect("alerts go on");
}

#[tokio::test(start_paused = true)]
async fn a_late_403_of_the_same_block_does_not_double() {
    let world = World::new();
    let client = world.client().await;
    look(&client).await.expect("an answer");
    world.script.latency(Duration::from_secs(2));
    world.script.always("/", Some(html(403)));
    let mut calls = JoinSet::new();
    for _ in 0..5 {
        let client = client.clone();
        calls.spawn(async move { look(&client).await });
        sleep(Duration::from_millis(300)).await;
    }
    while let Some(result) = calls.join_next().await {
        assert!(matches!(result.expect("no panic"), Err(ClientError::Blocked { .. })));
    }
    assert!(blocked_for(&world, &client).await <= 5 * MINUTE);
}

/// A call that waits for its slot while the block begins is not sent when the slot comes.
#[tokio::test(start_paused = true)]
async fn a_block_also_stops_who_already_waits_for_a_slot() {
    let mut world = World::new();
    world.settings.budget = 0.01;
    let platform = world.platform().await;
    let (acme, other) = (world.client_on(platform.clone(), "acme").await, world.client_on(platform, "other").await);
    look(&acme).await.expect("an answer");
    while acme.rate().used < acme.rate().ceiling {
        look(&acme).await.expect("an answer");
    }
    let waiting = acme.clone();
    let mut calls = JoinSet::new();
    calls.spawn(async move { look(&waiting).await });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(acme.rate().waiting, 1);
    world.script.next(LOGIN, [Ok(html(403))]);
    blocked_for(&world, &other).await;
    let before = world.script.paths().len();
    let result = calls.join_next().await.expect("one").expect("no panic");
    assert!(matches!(result, Err(ClientError::Blocked { .. })), "{result:?}");
    assert_eq!(world.script.paths().len(), before);
}
