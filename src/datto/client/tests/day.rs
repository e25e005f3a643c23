//! A day of polling in paused time, judged by what the scripted API saw.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::datto::client::Client;
use crate::datto::lane::Lane;
use crate::datto::testing::{LOGIN, RATE, World, json};

const DAY: Duration = Duration::from_hours(24);
const MINUTE: Duration = Duration::from_secs(60);

/// A stream that reads `pages` pages, again and again.
async fn stream(client: Client, lane: Lane, path: &'static str, pages: usize, every: Duration) -> Vec<Duration> {
    let begin = Instant::now();
    let mut passes = Vec::new();
    while begin.elapsed() < DAY {
        let pass = Instant::now();
        for _ in 0..pages {
            client.get(lane, path, &[]).await.expect("an answer");
        }
        passes.push(pass.elapsed());
        sleep(every.saturating_sub(pass.elapsed())).await;
    }
    passes
}

#[tokio::test(start_paused = true)]
async fn a_day_of_polling_stays_within_the_quota_and_keeps_its_pace() {
    let world = World::new();
    world.script.latency(Duration::from_millis(150));
    world.script.always("/api/v2/account", Some(json(200, "{}")));
    let client = world.client().await;
    let begin = Instant::now();
    let mut streams = JoinSet::new();
    streams.spawn(stream(client.clone(), Lane::Alerts, "/v2/account/alerts/open", 60, MINUTE));
    streams.spawn(stream(client.clone(), Lane::Activity, "/v2/activity-logs", 3, MINUTE));
    streams.spawn(stream(client.clone(), Lane::Lookup, "/v2/account/devices", 400, Duration::from_hours(1)));
    // Others wake up now and then, and take nearly everything for a while.
    for others in [0, 300, 590, 0, 100, 0] {
        world.script.foreign(others);
        sleep(DAY / 6).await;
    }
    let mut passes = Vec::new();
    while let Some(done) = streams.join_next().await {
        passes.push(done.expect("no panic"));
    }
    let seen = world.script.seen();
    let mut window: VecDeque<Instant> = VecDeque::new();
    let mut most = 0;
    for call in &seen {
        window.push_back(call.at);
        while window.front().is_some_and(|first| call.at - *first >= MINUTE) {
            window.pop_front();
        }
        most = most.max(window.len());
    }
    assert!(most <= 480, "{most} calls in one minute");
    assert_eq!(world.script.count(LOGIN), 1);
    let counts = world.script.count(RATE);
    assert!((1400..1450).contains(&counts), "{counts} counts in a day");
    assert_eq!(client.state().counts.throttled, 0);

    // While the others took 590 of 600, only the 10 that are always ours went out each minute.
    let quiet = (DAY / 6 * 2 + 3 * MINUTE)..(DAY / 6 * 3);
    let in_quiet = seen.iter().filter(|call| quiet.contains(&(call.at - begin))).count();
    let minutes = usize::try_from((quiet.end - quiet.start).as_secs() / 60).expect("few");
    assert!(in_quiet <= 11 * minutes, "{in_quiet} calls in {minutes} quiet minutes");
    let slow = passes.iter().flatten().filter(|pass| **pass > 2 * MINUTE).count();
    assert!(slow < 60, "{slow} slow passes");
}
