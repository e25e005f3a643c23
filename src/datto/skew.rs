//! The `Date` of answers: what it says about the API's clock, and the log when that and this machine's part or meet.

use tokio::time::Instant;

use crate::clock::api::Agreement;
use crate::clock::{Clock, Millis};

/// What an operator does about clocks that are a day or more apart.
pub const APART_HINT: &str = "set this machine's clock by NTP. Until the clocks agree no first start is fixed and nothing is removed \
     for its age; if this machine's clock is the right one, start once with `vintner run --accept-clock`";

/// Takes in the `Date` of an answer to a request of `account` that was sent at `sent`; logs a change if `logs`.
pub(super) fn note(clock: &Clock, account: &str, date: Option<&str>, sent: Instant, logs: bool) {
    let date = date.and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
    let date = date.map(|date| Millis(date.timestamp().as_millisecond()));
    let (before, now) = clock.note_answer(account, date, sent);
    if before == now.agreement || !logs {
        return;
    }
    let api_clock_ahead_seconds = now.ahead_ms / 1000;
    match now.agreement {
        Agreement::Unknown => {}
        Agreement::Agrees if matches!(before, Agreement::Unknown) => {}
        Agreement::Agrees => tracing::info!(account, "this machine's clock and the API's agree again"),
        Agreement::Differs => tracing::warn!(
            account,
            api_clock_ahead_seconds,
            hint = "the API's clock decides what is read; set this machine's by NTP",
            "this machine's clock and the API's differ"
        ),
        Agreement::Apart => tracing::error!(
            account,
            api_clock_ahead_seconds,
            accepted = now.is_accepted,
            hint = APART_HINT,
            "this machine's clock and the API's are a day or more apart"
        ),
        Agreement::Undated => tracing::warn!(
            account,
            accepted = now.is_accepted,
            hint = "look for a proxy that removes the header. Until a `Date` is seen no first start is fixed and nothing is removed for \
                    its age; to go by this machine's clock, start with `vintner run --accept-clock`",
            "the API's answers have no readable Date"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// 2026-11-20T22:05:45Z, as in `DATE`.
    const AT: i64 = 1_795_212_345_000;
    const DATE: &str = "Fri, 20 Nov 2026 22:05:45 GMT";

    /// How far the API's clock is ahead, after an answer to a request that was sent at `sent` and came `way` later, by ours.
    async fn ahead(date: &str, sent: i64, way: u64) -> i64 {
        let clock = Clock::manual(Millis(sent));
        let began = Instant::now();
        tokio::time::sleep(Duration::from_millis(way)).await;
        note(&clock, "acme", Some(date), began, true);
        clock.compare("acme").ahead_ms
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_and_the_cut_off_second_are_no_difference() {
        assert_eq!(ahead(DATE, AT, 40).await, 0);
        assert_eq!(ahead(DATE, AT + 999, 41).await, 0);
        assert_eq!(ahead(DATE, AT - 30_000, 30_010).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_way_explains_is_the_clock() {
        assert_eq!(ahead(DATE, AT + 600_999, 101).await, -600_000);
        assert_eq!(ahead(DATE, AT - 600_100, 100).await, 600_000);
        assert_eq!(ahead(DATE, AT - 3 * 86_400_000, 0).await, 3 * 86_400_000);
    }

    #[tokio::test(start_paused = true)]
    async fn nonsense_is_no_date() {
        let clock = Clock::manual(Millis(AT));
        note(&clock, "acme", Some("soon"), Instant::now(), true);
        let found = clock.compare("acme");
        assert_eq!((found.agreement, found.ahead_ms, found.refuses()), (Agreement::Undated, 0, true));
    }
}
