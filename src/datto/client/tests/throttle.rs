//! 429: waited for inside, whole account, never returned.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::look;
use crate::datto::lane::Lane;
use crate::datto::testing::{LOGIN, OPEN_ALERTS, RATE, World, throttled};

#[tokio::test(start_paused = true)]
async fn a_429_pauses_the_account_and_the_call_succeeds_later() {
    for (retry_after, seconds) in [
        (Some("7"), 7),
        (None, 60),
        (Some("-1"), 60),
        (Some("soon"), 60),
        (Some("100000"), 900),
        (Some("Fri, 20 Nov 2026 22:06:15 GMT"), 30),
    ] {
        let world = World::new();
        let client = world.client().await;
        look(&client).await.expect("an answer");
        world.script.next(OPEN_ALERTS, [Ok(throttled(retry_after))]);
        let begin = Instant::now();
        look(&client).await.expect("after the pause");
        let waited = begin.elapsed();
        let wanted = Duration::from_secs(seconds);
        assert!(waited >= wanted && waited < wanted + Duration::from_secs(2), "{retry_after:?}: {waited:?}");
        assert_eq!(client.state().counts.throttled, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_account_pauses_nothing_is_sent_and_then_the_count_comes_first() {
    let world = World::new();
    world.script.latency(Duration::from_millis(10));
    let client = world.client().await;
    look(&client).await.expect("an answer");
    world.script.next(OPEN_ALERTS, [Ok(throttled(Some("30")))]);
    world.script.foreign(300);
    let mut calls = JoinSet::new();
    for lane in Lane::ALL {
        let client = client.clone();
        calls.spawn(async move { client.get(lane, "/v2/account/alerts/open", &[]).await.map(|_| ()) });
        sleep(Duration::from_millis(100)).await;
    }
    let before = world.script.paths().len();
    let until = client.rate().paused_until.expect("paused");
    assert!(until.since(world.clock.now()) > Duration::from_secs(29));
    sleep(Duration::from_secs(29)).await;
    assert_eq!(world.script.paths().len(), before, "silence");
    while let Some(result) = calls.join_next().await {
        result.expect("no panic").expect("after the pause");
    }
    let after = world.script.paths().split_off(before);
    assert!(after.iter().any(|path| path == RATE));
    let rate = client.rate();
    assert!(rate.lowered && rate.ceiling <= 105 && rate.foreign.is_some_and(|f| f >= 300), "{rate:?}");
    sleep(Duration::from_mins(11)).await;
    assert!(!client.rate().lowered);
}

#[tokio::test(start_paused = true)]
async fn advice_that_was_too_short_is_not_believed_twice() {
    let world = World::new();
    let client = world.client().await;
    look(&client).await.expect("an answer");
    world.script.next(OPEN_ALERTS, (0..5).map(|_| Ok(throttled(Some("0")))));
    let begin = Instant::now();
    look(&client).await.expect("after the pauses");
    assert!(begin.elapsed() >= Duration::from_secs(1 + 4 * 60), "{:?}", begin.elapsed());
    assert!(client.rate().ceiling < 60, "{:?}", client.rate());
}

#[tokio::test(start_paused = true)]
async fn a_429_to_the_login_is_waited_for_too() {
    let world = World::new();
    world.script.next(LOGIN, [Ok(throttled(Some("20")))]);
    let client = world.client().await;
    let begin = Instant::now();
    look(&client).await.expect("after the pause");
    assert!(begin.elapsed() >= Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_restart_during_a_pause_stays_silent() {
    let world = World::new();
    let client = world.client().await;
    look(&client).await.expect("an answer");
    world.script.next(OPEN_ALERTS, [Ok(throttled(Some("120")))]);
    assert!(tokio::time::timeout(Duration::from_secs(20), look(&client)).await.is_err());
    drop(client);
    let before = world.script.paths().len();
    let restarted = world.client().await;
    let begin = Instant::now();
    look(&restarted).await.expect("after the pause");
    assert!(begin.elapsed() >= Duration::from_secs(100) && begin.elapsed() < Duration::from_secs(103));
    assert!(world.script.paths().len() > before && restarted.rate().lowered);
}

/// Send times survive a kill: the new process does not start with a fresh minute.
#[tokio::test(start_paused = true)]
async fn a_restart_does_not_forget_the_last_minute() {
    let world = World::new();
    let client = world.client().await;
    for _ in 0..200 {
        look(&client).await.expect("an answer");
    }
    sleep(Duration::from_secs(3)).await;
    drop(client);
    world.script.always(RATE, Some(crate::datto::testing::json(500, "")));
    let restarted = world.client().await;
    assert!(restarted.rate().used >= 202, "{:?}", restarted.rate());
    sleep(Duration::from_mins(1)).await;
    assert_eq!(restarted.rate().used, 0);
}

/// Without stored send times, or with a clock that makes them look old, the API's own count is taken as ours.
#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_over_a_restart_opens_nothing() {
    let world = World::new();
    let client = world.client().await;
    for _ in 0..300 {
        look(&client).await.expect("an answer");
    }
    sleep(Duration::from_secs(3)).await;
    drop(client);
    world.clock.jump(86_400_000);
    let restarted = world.client().await;
    assert_eq!(restarted.rate().used, 0, "the stored times look a day old");
    look(&restarted).await.expect("an answer");
    assert!(restarted.rate().used >= 300, "{:?}", restarted.rate());
}
