//! When the log is asked, and what its answers mean.

use super::*;

const NOW: Millis = Millis(1_795_212_345_000);

fn later(days: u32) -> Millis {
    NOW.plus(DAY * days)
}

fn failed() -> ClientError {
    ClientError::Failed { path: "/v2/activity-logs".into(), reason: "status 500".into(), attempts: 5 }
}

/// A log that showed one DEVICE row a minute ago and nothing else.
fn device_only() -> UserRows {
    let mut rows = UserRows::default();
    rows.note(Entity::Device, Some(NOW.minus(Duration::from_secs(60))), NOW);
    rows
}

#[test]
fn a_log_without_rows_or_with_user_rows_is_not_asked() {
    assert!(!UserRows::default().is_question_due(NOW));
    let mut rows = device_only();
    assert!(rows.is_question_due(NOW), "DEVICE rows alone raise the question at once");
    rows.note(Entity::User, Some(NOW.minus(DAY)), NOW);
    assert!(!rows.is_question_due(later(1).minus(Duration::from_secs(1))));
    assert!(rows.is_question_due(later(1)), "a day without a USER row");
    assert!(!rows.is_question_due(later(7)), "nothing has happened for a week, of either kind");
}

#[test]
fn the_question_comes_once_a_day_and_its_answer_decides() {
    let mut rows = device_only();
    rows.answered(&Ok(Asked::Nothing), NOW);
    assert_eq!(rows.missing, Some(Missing { since: NOW, shown_before: None }));
    assert!(!rows.is_question_due(NOW.plus(DAY / 2)));
    assert!(rows.is_question_due(later(1)));
    rows.answered(&Ok(Asked::Nothing), later(1));
    assert_eq!(rows.missing.map(|missing| missing.since), Some(NOW), "it is the same lack");
    rows.answered(&Ok(Asked::Shown), later(2));
    assert_eq!((rows.missing, rows.user_shown), (None, Some(later(2))));
    assert_eq!(rows.hidden.map(|hidden| hidden.since), Some(NOW), "what was hidden is still to be read");
}

#[test]
fn the_first_user_row_ends_the_lack() {
    let mut rows = device_only();
    rows.answered(&Err(ClientError::Forbidden { path: String::new(), needs: "" }), NOW);
    assert!(rows.missing.is_some(), "a refusal is an answer");
    rows.note(Entity::User, None, later(1));
    assert!(rows.missing.is_none() && rows.hidden.is_some());
}

/// A filter without effect and a failure prove nothing; DEVICE rows over days do.
#[test]
fn where_the_log_cannot_be_asked_device_rows_over_days_are_the_evidence() {
    for unclear in [Ok(Asked::Unfiltered), Err(failed())] {
        let mut rows = device_only();
        rows.answered(&unclear, NOW);
        assert_eq!(rows.missing, None);
        for n in 1..=9 {
            rows.note(Entity::Device, Some(NOW.plus(DAY / 3 * n)), later(3));
            rows.note(Entity::Device, Some(NOW), later(3));
            rows.answered(&unclear, later(3));
            assert_eq!(rows.missing.is_some(), n == 9, "{n} rows more, each a third of a day after the other");
        }
        rows.note(Entity::User, None, later(4));
        rows.answered(&unclear, later(4));
        assert_eq!(rows.missing, None);
    }
}

#[test]
fn a_clock_that_was_set_back_does_not_silence_the_question() {
    let mut rows = device_only();
    rows.answered(&Ok(Asked::Nothing), later(900));
    assert!(rows.is_question_due(NOW.plus(DAY)));
}

/// One odd row must neither keep an idle account in use for ever nor stand in the way of the rows after it.
#[test]
fn rows_without_a_date_or_from_the_far_future_are_no_evidence() {
    let mut rows = UserRows::default();
    rows.note(Entity::Device, None, NOW);
    rows.note(Entity::Device, Some(later(3000)), NOW);
    assert!(!rows.is_question_due(NOW));
    rows.note(Entity::Device, Some(NOW.plus(DAY / 24)), NOW);
    assert_eq!(rows.newest_device, Some(NOW.plus(DAY / 24)), "clocks differ a little");
    assert!(!rows.is_question_due(later(8)), "nothing new for a week");
}

#[test]
fn what_an_unsent_question_cost_is_not_remembered() {
    let mut rows = device_only();
    rows.answered(&Err(ClientError::Stopped), NOW);
    assert!(rows.is_question_due(NOW));
}

#[test]
fn the_cursor_keeps_everything() {
    let mut rows = device_only();
    rows.answered(&Ok(Asked::Nothing), NOW);
    let (name, text) = rows.cursor();
    assert_eq!(name, CURSOR);
    assert_eq!(serde_json::from_str::<UserRows>(&text).ok(), Some(rows));
    assert_eq!(serde_json::from_str::<UserRows>("{}").ok(), Some(UserRows::default()));
}
