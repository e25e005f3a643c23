//! The budget in paused time, judged by a reference that only knows when calls were sent, seen and answered.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{Budget, Pause, Span};
use crate::clock::{Clock, Millis};
use crate::datto::lane::Lane;
use crate::datto::model::rate::RateStatus;

const MINUTE: Duration = Duration::from_secs(60);

/// A call as an observer of both ends saw it.
#[derive(Clone, Copy, Debug)]
struct Call {
    sent: Instant,
    seen: Instant,
    ceiling: u32,
}

/// A budget whose ceiling is known: calibrated without others.
async fn budget(share: f64) -> Arc<Budget> {
    let budget = Budget::new(share);
    calibrate(&budget, 0).await;
    budget
}

/// Tells the budget that the API counted `foreign` calls besides ours.
async fn calibrate(budget: &Arc<Budget>, foreign: u32) {
    let slot = budget.acquire(Lane::Token).await;
    let Span { sent, answered } = slot.answered();
    let ours = budget.lock().window.surely_counted(sent, answered).saturating_add(1);
    budget.calibrate(RateStatus { count: Some(ours + foreign), limit: Some(600) }, Span { sent, answered });
}

/// One call that the server sees `to_server` after it was sent and answers `back` later.
async fn call(budget: &Arc<Budget>, lane: Lane, to_server: Duration, back: Duration) -> Call {
    let slot = budget.acquire(lane).await;
    let sent = Instant::now();
    let ceiling = budget.rate(Millis(0)).ceiling;
    sleep(to_server).await;
    let seen = Instant::now();
    sleep(back).await;
    slot.answered();
    Call { sent, seen, ceiling }
}

/// Most calls that the server saw in any rolling minute that ends with a call, less the ceiling when that was sent.
fn worst_excess(calls: &[Call]) -> i64 {
    let excess = |last: &Call| {
        let seen = calls.iter().filter(|c| c.seen <= last.seen && last.seen - c.seen < MINUTE).count();
        i64::try_from(seen).expect("few") - i64::from(last.ceiling)
    };
    calls.iter().map(excess).max().unwrap_or(0)
}

async fn run(workload: &[(u64, u64, u64, usize)], share: f64, foreign: &[u32]) -> Vec<Call> {
    let budget = budget(share).await;
    let mut calls = JoinSet::new();
    for (start_ms, to_server_ms, back_ms, lane) in workload.iter().copied() {
        let budget = budget.clone();
        calls.spawn(async move {
            sleep(Duration::from_millis(start_ms)).await;
            let lane = Lane::ALL[lane % Lane::ALL.len()];
            call(&budget, lane, Duration::from_millis(to_server_ms), Duration::from_millis(back_ms)).await
        });
    }
    for others in foreign {
        sleep(Duration::from_secs(20)).await;
        calibrate(&budget, *others).await;
    }
    let mut done = Vec::new();
    while let Some(call) = calls.join_next().await {
        done.push(call.expect("no panic"));
    }
    done
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// No rolling minute, as the server sees it, ever holds more calls than the ceiling allowed. Latencies of up to 90 s
    /// put calls that were sent early next to those that were sent late.
    #[test]
    fn no_rolling_minute_exceeds_the_ceiling(
        workload in prop::collection::vec((0_u64..180_000, 0_u64..45_000, 0_u64..45_000, 0_usize..5), 1..250),
        share in prop::sample::select(vec![0.02, 0.05, 0.1, 0.3]),
        foreign in prop::collection::vec(0_u32..700, 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let calls = runtime.block_on(run(&workload, share, &foreign));
        prop_assert_eq!(calls.len(), workload.len());
        // A call that was sent under a higher ceiling may be seen after the ceiling fell: judge by the ceiling of then.
        let highest = calls.iter().map(|c| c.ceiling).max().unwrap_or(0);
        let judged: Vec<Call> = calls.iter().map(|c| Call { ceiling: highest, ..*c }).collect();
        prop_assert!(worst_excess(&judged) <= 0, "{}", worst_excess(&judged));
        // And by the ceiling of each, as soon as it is sent.
        for call in &calls {
            let held = calls.iter().filter(|c| c.sent <= call.sent && call.sent < c.seen + MINUTE).count();
            prop_assert!(held <= call.ceiling as usize, "{held} calls under {}", call.ceiling);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pass_of_120_pages_is_not_slowed() {
    let budget = budget(0.8).await;
    let begin = Instant::now();
    for _ in 0..120 {
        call(&budget, Lane::Alerts, Duration::from_millis(50), Duration::from_millis(50)).await;
    }
    assert_eq!(begin.elapsed(), Duration::from_secs(12), "only the answers take time");
}

#[tokio::test(start_paused = true)]
async fn a_flood_uses_the_ceiling_fully_but_not_at_once() {
    let budget = budget(0.8).await;
    let begin = Instant::now();
    let mut times = Vec::new();
    while begin.elapsed() < 5 * MINUTE {
        call(&budget, Lane::Alerts, Duration::ZERO, Duration::ZERO).await;
        times.push(begin.elapsed());
    }
    assert!(times.len() >= 480 * 5 - 10, "{}", times.len());
    let first_second = times.iter().filter(|t| t.as_secs() == 0).count();
    assert!(first_second <= 250, "{first_second}");
}

#[tokio::test(start_paused = true)]
async fn others_get_what_they_need() {
    let budget = budget(0.8).await;
    calibrate(&budget, 400).await;
    assert_eq!(budget.rate(Millis(0)).ceiling, 110);
    calibrate(&budget, 2000).await;
    assert_eq!(budget.rate(Millis(0)).ceiling, 10);
    calibrate(&budget, 0).await;
    assert_eq!(budget.rate(Millis(0)).ceiling, 480);
}

#[tokio::test(start_paused = true)]
async fn the_first_count_is_taken_as_ours() {
    let budget = Budget::new(0.8);
    calibrate(&budget, 470).await;
    let rate = budget.rate(Millis(0));
    assert_eq!((rate.used, rate.foreign, rate.ceiling), (471, Some(0), 480));
    for _ in 0..9 {
        call(&budget, Lane::Alerts, Duration::ZERO, Duration::ZERO).await;
    }
    let next = timeout(Duration::from_secs(50), call(&budget, Lane::Alerts, Duration::ZERO, Duration::ZERO)).await;
    assert!(next.is_err(), "the minute is full");
}

#[tokio::test(start_paused = true)]
async fn slots_go_by_lane_and_no_lane_starves() {
    let budget = budget(10.0 / 600.0).await;
    let mut calls = JoinSet::new();
    for lane in [Lane::Backfill, Lane::Lookup, Lane::Activity, Lane::Alerts] {
        for _ in 0..100 {
            let budget = budget.clone();
            calls.spawn(async move {
                call(&budget, lane, Duration::ZERO, Duration::ZERO).await;
                lane
            });
        }
    }
    let mut served = Vec::new();
    while served.len() < 120 {
        served.push(calls.join_next().await.expect("more").expect("no panic"));
    }
    let count = |lane: Lane| served.iter().filter(|l| **l == lane).count();
    assert!(count(Lane::Alerts) > count(Lane::Activity), "{served:?}");
    assert!(count(Lane::Activity) > count(Lane::Lookup), "{served:?}");
    assert!(count(Lane::Lookup) > count(Lane::Backfill), "{served:?}");
    assert!(count(Lane::Backfill) >= 5, "{served:?}");
}

#[tokio::test(start_paused = true)]
async fn a_better_lane_overtakes_and_giving_up_frees_the_place() {
    let budget = budget(10.0 / 600.0).await;
    for _ in 0..9 {
        call(&budget, Lane::Alerts, Duration::ZERO, Duration::ZERO).await;
    }
    let mut calls = JoinSet::new();
    for lane in [Lane::Backfill, Lane::Token, Lane::Alerts] {
        let budget = budget.clone();
        calls.spawn(async move {
            call(&budget, lane, Duration::ZERO, Duration::ZERO).await;
            lane
        });
        sleep(Duration::from_millis(1)).await;
    }
    let gave_up = timeout(Duration::from_secs(1), budget.acquire(Lane::Token)).await;
    assert!(gave_up.is_err());
    assert_eq!(budget.rate(Millis(0)).waiting, 3);
    let mut order = Vec::new();
    while let Some(lane) = calls.join_next().await {
        order.push(lane.expect("no panic"));
    }
    assert_eq!(order, [Lane::Token, Lane::Alerts, Lane::Backfill]);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_while_next_hands_the_turn_on() {
    let budget = budget(10.0 / 600.0).await;
    for _ in 0..9 {
        call(&budget, Lane::Alerts, Duration::ZERO, Duration::ZERO).await;
    }
    let first = budget.clone();
    let mut gives_up = JoinSet::new();
    gives_up.spawn(async move { timeout(Duration::from_secs(5), first.acquire(Lane::Token)).await.is_err() });
    sleep(Duration::from_secs(1)).await;
    let slot = timeout(2 * MINUTE, budget.acquire(Lane::Backfill)).await;
    assert!(slot.is_ok(), "nobody woke the one behind");
    assert!(gives_up.join_next().await.expect("one").expect("no panic"));
}

/// Whoever gives up a call may have reached the server: its slot stays taken for a minute.
#[tokio::test(start_paused = true)]
async fn an_abandoned_call_counts_and_an_unsent_one_does_not() {
    let budget = budget(0.8).await;
    let used = || budget.rate(Millis(0)).used;
    let before = used();
    drop(budget.acquire(Lane::Alerts).await);
    assert_eq!(used(), before + 1);
    budget.acquire(Lane::Alerts).await.unsent();
    assert_eq!(used(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn one_429_to_many_calls_is_one_pause() {
    let budget = budget(0.8).await;
    let early = budget.acquire(Lane::Alerts).await.answered();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(budget.pause(Duration::from_secs(30), early.sent), Pause::Began);
    let ceiling = budget.rate(Millis(0)).ceiling;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(budget.pause(Duration::from_secs(30), early.sent), Pause::Known);
    assert_eq!(budget.rate(Millis(0)).ceiling, ceiling);
}

/// A clock that jumps while running changes nothing: only what is written down is in wall time.
#[tokio::test(start_paused = true)]
async fn wall_time_does_not_move_the_window() {
    let clock = Clock::manual(Millis(1_795_212_345_000));
    let budget = budget(0.8).await;
    for _ in 0..50 {
        call(&budget, Lane::Alerts, Duration::ZERO, Duration::ZERO).await;
    }
    clock.jump(3_600_000);
    assert!(budget.rate(clock.now()).used >= 50);
    let log = budget.snapshot(clock.now());
    assert!(log.iter().all(|(second, _)| *second >= clock.now().0.div_euclid(1000)));
}
