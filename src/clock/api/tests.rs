//! Clocks that part and meet, by what answers showed of them.

use super::*;

const START: Millis = Millis(1_795_212_345_000);
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// An answer of `account` whose `Date` is `ahead_ms` ahead of the true time.
fn answer(clock: &Clock, account: &str, truth: Millis, ahead_ms: i64) -> Agreement {
    let date = Millis(truth.0.saturating_add(ahead_ms) / 1000 * 1000);
    clock.note_answer(account, Some(date), Instant::now()).1.agreement
}

#[tokio::test(start_paused = true)]
async fn a_step_of_this_clock_does_not_move_the_time_of_the_api() {
    let (clock, truth) = (Clock::manual(START), Clock::manual(START));
    answer(&clock, "acme", START, 0);
    for step in [3 * DAY_MS, -3 * DAY_MS, 60 * DAY_MS, 20 * HOUR_MS, -90_000] {
        clock.jump(step);
        tokio::time::sleep(Duration::from_secs(600)).await;
        let (time, now) = (clock.source_time("acme"), truth.now());
        let (known, earliest) = (time.now.unwrap(), time.earliest.unwrap());
        assert!((known.0 - now.0).abs() <= 1_000, "{step}: {known} is not {now}");
        assert!(earliest <= now && time.latest >= now && time.latest >= clock.now(), "{step}: {time:?}");
        // An answer that comes meanwhile changes nothing of it.
        answer(&clock, "acme", now, 0);
        let again = clock.source_time("acme").now.unwrap();
        assert!((again.0 - now.0).abs() <= 1_000, "{step}: {again} is not {now}");
        clock.jump(-step);
    }
}

#[tokio::test(start_paused = true)]
async fn two_clocks_that_never_agreed_give_no_time_until_an_operator_accepts_one() {
    for (date, ours) in [(0, 3 * DAY_MS), (-10 * 366 * DAY_MS, 0), (DAY_MS, 0)] {
        let clock = Clock::manual(Millis(START.0 + ours));
        assert_eq!(answer(&clock, "acme", START, date), Agreement::Apart);
        let time = clock.source_time("acme");
        assert_eq!((time.now, time.earliest, clock.removal_time()), (None, None, None));
        assert!(clock.compare("acme").refuses());
        clock.accept();
        assert_eq!(clock.source_time("acme").earliest, Some(clock.now()));
        assert_eq!(clock.removal_time(), Some(clock.now()));
        assert!(!clock.compare("acme").refuses());
        clock.jump(60 * DAY_MS);
        assert_eq!(clock.removal_time(), None, "what was accepted is not what the clock shows now");
        assert_eq!(clock.source_time("acme").earliest, None);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_removed_before_an_answer_or_under_one_clock_of_many_that_is_wrong() {
    let clock = Clock::manual(START);
    assert_eq!(clock.removal_time(), None, "no answer yet");
    clock.note_answer("undated", None, Instant::now());
    assert_eq!(clock.removal_time(), None, "no date yet");
    answer(&clock, "acme", START, 0);
    assert_eq!(clock.removal_time(), Some(START));
    answer(&clock, "behind", START, -2 * HOUR_MS);
    assert_eq!(clock.removal_time(), Some(Millis(START.0 - 2 * HOUR_MS)), "the earliest clock");
    answer(&clock, "broken", START, 400 * DAY_MS);
    assert_eq!(clock.removal_time(), None);
    assert_eq!(clock.compare("acme").agreement, Agreement::Agrees);
    answer(&clock, "broken", START, 0);
    assert!(clock.removal_time().is_some());
    clock.jump(60 * DAY_MS);
    assert_eq!(clock.removal_time(), None, "this clock jumped, with no answer since");
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_under_a_clock_that_is_behind_is_not_old_when_it_is_right() {
    let clock = Clock::manual(Millis(START.0 - 60 * DAY_MS));
    answer(&clock, "acme", START, 0);
    assert_eq!(clock.stamp(), START);
    clock.jump(120 * DAY_MS);
    assert_eq!(clock.stamp(), clock.now());
}

#[tokio::test(start_paused = true)]
async fn a_difference_about_a_minute_is_no_change_with_each_answer() {
    let clock = Clock::manual(START);
    let around = [59_000, 61_000, 59_000, 61_000, 40_000];
    let found: Vec<_> = around.iter().map(|ahead| answer(&clock, "acme", START, *ahead)).collect();
    let differs = Agreement::Differs;
    assert_eq!(found, [Agreement::Agrees, differs, differs, differs, differs]);
    assert_eq!(answer(&clock, "acme", START, 10_000), Agreement::Agrees);
    assert_eq!(answer(&clock, "acme", START, -20 * HOUR_MS), differs);
    assert_eq!(clock.compare("acme").problem().unwrap(), "this machine's clock is 20 hours ahead of the API's");
}
