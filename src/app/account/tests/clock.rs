//! This machine's clock, or the `Date` of the API's answers, is wrong: nothing is lost, nothing expires before its time.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::app::testing::{Fixture, START, Setup};
use crate::clock::Millis;
use crate::journal::sqlite::Options;
use crate::record::RecordKind;
use crate::sim::date::DateHeader;
use crate::sim::world::Options as World;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

fn world(seed: u64) -> World {
    World {
        seed,
        sites: 3,
        devices: 12,
        open_alerts: 5,
        resolved_alerts: 5,
        activity_history: 120,
        history_days: 5,
        alert_rate_per_hour: 12.0,
        resolve_rate_per_hour: 10.0,
        activity_rate_per_hour: 60.0,
        vanish_share: 0.0,
        brief_share: 0.0,
        reopen_share: 0.0,
        oddity_share: 0.0,
        inventory_rate_per_hour: 0.0,
        activity_delay_max_ms: 30_000,
        ..World::default()
    }
}

fn setup(text: &str, ahead_ms: i64) -> Setup {
    let journal = Options { retain: 7 * DAY, max_bytes: 1 << 40, hold_for: 30 * DAY };
    let text = format!(
        "user_activity_org = \"msp\"\npoll.inventory = \"2h\"\npoll.alerts = \"4m\"\npoll.activity = \"4m\"\n{text}"
    );
    Setup { name: "acme".to_owned(), text, journal, ahead_ms }
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Every activity and every alert since `from` is there.
async fn nothing_is_lost(fixture: &Fixture, from: Millis, what: &str) {
    let truth = fixture.sim.truth();
    let settled = truth.now.minus(10 * MINUTE);
    let records = fixture.records().await;
    let held: u64 = fixture.journal().held().await.unwrap().iter().map(|site| site.count).sum();
    let taken: BTreeSet<&str> = records.iter().map(|record| record.envelope.native_id.as_str()).collect();
    let rows = truth.activities.iter().filter(|row| row.date >= from && row.visible_from < settled);
    let lost: Vec<_> = rows.filter(|row| !taken.contains(row.id.as_str())).collect();
    assert!(lost.len() as u64 <= held, "{what}: {} rows are missing, {held} are held: {lost:?}", lost.len());
    let alerts = truth.alerts.iter().filter(|alert| alert.opened >= from && alert.opened < settled);
    let lost: Vec<_> = alerts.filter(|alert| !taken.contains(alert.uid.as_str())).collect();
    assert!(lost.is_empty(), "{what}: {} alerts are missing: {lost:?}", lost.len());
}

/// Nothing of before the first start's reach is there.
async fn nothing_older(fixture: &Fixture, from: Millis, what: &str) {
    let dates = fixture.sim.truth().activities;
    let old: BTreeSet<String> = dates.into_iter().filter(|row| row.date < from).map(|row| row.id).collect();
    let is_activity = |kind: &RecordKind| matches!(kind, RecordKind::ActivityUser | RecordKind::ActivityDevice);
    let records = fixture.records().await;
    let early = records
        .iter()
        .filter(|record| is_activity(&record.envelope.kind) && old.contains(record.envelope.native_id.as_str()));
    assert_eq!(early.count(), 0, "{what}: rows of before the start were taken in");
}

#[tokio::test(start_paused = true)]
async fn a_first_start_under_a_wrong_clock_loses_nothing() {
    let cases = [3 * DAY_MS, 20 * HOUR_MS, -3 * DAY_MS, -400 * DAY_MS];
    for (seed, ahead_ms) in (10..).zip(cases) {
        for (start, reach) in [("now", Duration::ZERO), ("24h", DAY)] {
            let what = format!("start {start} with the clock {} h ahead", ahead_ms / HOUR_MS);
            let mut fixture = Fixture::of(world(seed), setup(&format!("start = \"{start}\""), ahead_ms)).await;
            fixture.start();
            pass(Duration::from_secs(10)).await;
            // What happens until the clock is right must be there too, if the start reached it.
            fixture.shared.clock.jump(-ahead_ms);
            pass(40 * MINUTE).await;
            // One that waits for its clock begins when it is right: half a minute of "now" at most.
            let from = START.minus(reach).plus(MINUTE);
            nothing_is_lost(&fixture, from, &what).await;
            nothing_older(&fixture, START.minus(reach).minus(MINUTE), &what).await;
            fixture.end().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_of_hours_ahead_that_nobody_corrects_cuts_by_the_clock_of_the_api() {
    for ahead_ms in [20 * HOUR_MS, -20 * HOUR_MS, 5 * 60_000] {
        let what = format!("{} min ahead", ahead_ms / 60_000);
        let mut fixture = Fixture::of(world(30), setup("start = \"24h\"", ahead_ms)).await;
        fixture.start();
        pass(30 * MINUTE).await;
        nothing_is_lost(&fixture, START.minus(DAY).plus(MINUTE), &what).await;
        nothing_older(&fixture, START.minus(DAY).minus(MINUTE), &what).await;
        fixture.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn steps_of_the_clock_while_running_or_stopped_hide_nothing() {
    let steps = [3 * DAY_MS, -3 * DAY_MS, 60 * DAY_MS, -60 * DAY_MS, 20 * HOUR_MS, -20 * HOUR_MS, 90_000, -40 * 60_000];
    for seed in 0..3_u64 {
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
        let mut roll = |n: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % n
        };
        let mut fixture = Fixture::of(world(seed + 40), setup("start = \"24h\"", 0)).await;
        fixture.start();
        pass(Duration::from_secs(60 + roll(600))).await;
        let (mut ahead, mut story) = (0, Vec::new());
        for _ in 0..4 {
            let step = steps[roll(8) as usize] - ahead;
            ahead += step;
            if roll(3) == 0 {
                // Stopped for hours, and the clock is another one at the next start.
                fixture.end().await;
                pass(Duration::from_secs(roll(30 * 3_600))).await;
                fixture.restart(ahead).await;
                story.push(format!("restart {} min ahead", ahead / 60_000));
            } else {
                fixture.shared.clock.jump(step);
                story.push(format!("{} min ahead", ahead / 60_000));
            }
            pass(Duration::from_secs(20 + roll(3_600))).await;
            if roll(2) == 0 {
                fixture.shared.clock.jump(-ahead);
                ahead = 0;
                story.push("right".to_owned());
                pass(Duration::from_secs(20 + roll(1_800))).await;
            }
        }
        // Not corrected: what happens under the wrong clock is there without a correction.
        pass(20 * MINUTE).await;
        nothing_is_lost(&fixture, START.minus(DAY).plus(MINUTE), &format!("seed {seed}: {story:?}")).await;
        fixture.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_for_a_moment_expires_no_held_record() {
    for ahead_ms in [60 * DAY_MS, -60 * DAY_MS, 4_000 * DAY_MS] {
        for is_restarted in [false, true] {
            let what = format!("{} days ahead, restarted: {is_restarted}", ahead_ms / DAY_MS);
            // Nothing of it is mapped.
            let text = "start = \"all\"\n[orgs.list.nobody]\nname = \"Nobody\"\nsites = [\"No such site\"]";
            let mut fixture = Fixture::of(world(50), setup(text, 0)).await;
            fixture.start();
            pass(10 * MINUTE).await;
            let before = fixture.held_ids().await;
            assert!(before.len() > 20, "{what}: records are held: {}", before.len());
            if is_restarted {
                fixture.restart(ahead_ms).await;
                pass(Duration::from_secs(45)).await;
                fixture.restart(0).await;
            } else {
                fixture.shared.clock.jump(ahead_ms);
                pass(Duration::from_secs(45)).await;
                fixture.shared.clock.jump(-ahead_ms);
            }
            pass(10 * MINUTE).await;
            let after = fixture.held_ids().await;
            let gone: Vec<_> = before.difference(&after).collect();
            assert!(gone.is_empty(), "{what}: {} of {} held records are gone", gone.len(), before.len());
            // What came under the wrong clock is not old either.
            let count = after.len();
            pass(5 * MINUTE).await;
            assert!(fixture.held_ids().await.len() >= count, "{what}");
            fixture.end().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_date_that_is_wrong_or_missing_loses_nothing() {
    let years = 10 * 366 * 86_400;
    let dates = [
        DateHeader::AheadSeconds(years),
        DateHeader::AheadSeconds(-years),
        DateHeader::Text("soon".to_owned()),
        DateHeader::Missing,
    ];
    for (seed, date) in (60..).zip(dates) {
        let what = format!("{date:?}");
        // From the first answer on, corrected an hour later.
        let mut fixture = Fixture::of(World { date: date.clone(), ..world(seed) }, setup("start = \"24h\"", 0)).await;
        fixture.start();
        pass(20 * MINUTE).await;
        fixture.sim.set_date(DateHeader::Right);
        pass(20 * MINUTE).await;
        nothing_is_lost(&fixture, START.minus(DAY).plus(HOUR), &what).await;
        // While it runs, over a restart, and until after it.
        fixture.sim.set_date(date);
        pass(20 * MINUTE).await;
        fixture.end().await;
        pass(30 * HOUR).await;
        fixture.restart(0).await;
        pass(20 * MINUTE).await;
        fixture.sim.set_date(DateHeader::Right);
        pass(20 * MINUTE).await;
        nothing_is_lost(&fixture, START.minus(DAY).plus(2 * HOUR), &what).await;
        fixture.end().await;
    }
}
