//! Which span of the activity log a pass reads.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::Millis;
use crate::collect::activity::RETENTION;

const MINUTE: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_secs(2 * 60);
const USUAL: Duration = Duration::from_secs(15 * 60);
const DEEP: Duration = Duration::from_secs(24 * 3600);

/// The usual margin is read on each pass while it costs at most this many pages.
const CHEAP_PAGES: u64 = 2;
/// Else it is read this often.
const USUAL_EVERY: Duration = Duration::from_secs(5 * 60);
/// The deep margin is read this often.
const DEEP_EVERY: Duration = Duration::from_secs(6 * 3600);

/// A long absence is cut into slices, so that the watermark moves while it is made up for. The first is this long.
pub const SLICE: Duration = Duration::from_secs(24 * 3600);
/// The longest and the shortest slice.
const LONGEST_SLICE: Duration = Duration::from_secs(32 * 24 * 3600);
const SHORTEST_SLICE: Duration = Duration::from_secs(3600);
/// A slice of more pages is followed by a shorter one.
const MANY_PAGES: u64 = 40;

/// A span of source time, both ends included, in whole seconds as the API takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First second.
    pub from: Millis,
    /// Last second.
    pub until: Millis,
    /// A time that has certainly come, where one is known: what is behind it is one slice, and no watermark lies behind it.
    pub certain: Option<Millis>,
}

/// How far time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// A time that has certainly come, if one is known.
    pub certain: Option<Millis>,
    /// The latest time that it may be.
    pub latest: Millis,
}

/// How far before the watermark passes reach, for records that became visible late.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reach {
    usual_read: Option<Instant>,
    deep_read: Option<Instant>,
    is_costly: bool,
}

impl Window {
    /// From `watermark` less `margin` up to the latest time that any clock shows; without a watermark from `cut`. Never before `cut`
    /// or what the API still keeps. A watermark in the future is taken for now.
    pub fn since(watermark: Option<Millis>, margin: Duration, cut: Millis, time: Reached) -> Self {
        let Reached { certain, latest } = time;
        // No clock is certain: what the API still keeps is judged by the watermark, which only certain times moved.
        let now = certain.or(watermark.map(|reached| reached.min(latest))).unwrap_or(latest);
        let from = watermark.map_or(cut, |reached| reached.min(now).minus(margin));
        let from = from.max(cut).max(now.minus(RETENTION));
        // Rounded outwards: the API takes whole seconds.
        let from = Millis(from.0.min(now.0).div_euclid(1000) * 1000);
        let until = Millis(latest.0.div_euclid(1000).saturating_add(1) * 1000);
        Self { from, until, certain }
    }

    /// The watermark once it was read to its end; `None` if no time has certainly come.
    pub fn watermark(&self) -> Option<Millis> {
        self.certain.map(|certain| certain.min(self.until))
    }

    /// The window in slices, oldest first; the first is `length` long. If that is less than usual, so are the others: the rows for
    /// which it was made shorter may stand in any of them.
    pub fn slices(self, length: Duration) -> Slices {
        let longest = if length < SLICE { length } else { LONGEST_SLICE };
        Slices { rest: Some(self), length, longest }
    }

    /// The length of the first slice of the next pass, after this one had more pages than a list may have.
    pub fn shorter(self) -> Duration {
        (self.until.since(self.from) / 4).clamp(MINUTE, SLICE)
    }
}

/// A window that is read slice by slice, each as long as the one before it suggests.
#[derive(Clone, Copy, Debug)]
pub struct Slices {
    rest: Option<Window>,
    length: Duration,
    longest: Duration,
}

impl Slices {
    /// The next slice; `pages` with rows is what the one before it cost, `None` for the first.
    pub fn next(&mut self, pages: Option<u64>) -> Option<Window> {
        let rest = self.rest?;
        self.length = match pages {
            Some(0..=CHEAP_PAGES) => (self.length * 2).min(self.longest),
            Some(MANY_PAGES..) => (self.length / 2).max(SHORTEST_SLICE.min(self.length)),
            Some(_) | None => self.length,
        };
        let end = rest.from.plus(self.length);
        let is_last = end >= rest.certain.unwrap_or(rest.from).min(rest.until);
        self.rest = (!is_last).then_some(Window { from: end, ..rest });
        Some(Window { until: if is_last { rest.until } else { end }, ..rest })
    }
}

impl Reach {
    /// The margin of the pass that begins now.
    pub fn margin(&self) -> Duration {
        if self.deep_read.is_none_or(|at| at.elapsed() >= DEEP_EVERY) {
            return DEEP;
        }
        let is_due = self.usual_read.is_none_or(|at| at.elapsed() + MINUTE / 2 >= USUAL_EVERY);
        if !self.is_costly || is_due { USUAL } else { SHORT }
    }

    /// A pass with `margin` was read to its end; its last slice had `pages` with rows.
    pub fn done(&mut self, margin: Duration, pages: u64) {
        if margin >= DEEP {
            self.deep_read = Some(Instant::now());
        }
        if margin >= USUAL {
            self.usual_read = Some(Instant::now());
        }
        if margin == USUAL {
            self.is_costly = pages > CHEAP_PAGES;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_795_212_345_678);
    const AT: Reached = Reached { certain: Some(NOW), latest: NOW };

    #[test]
    fn windows_round_outwards_and_never_reach_before_the_cut() {
        let window = Window::since(Some(NOW), USUAL, Millis(i64::MIN), AT);
        assert_eq!(window.from, Millis(1_795_211_445_000));
        assert_eq!(window.until, Millis(1_795_212_346_000));
        assert_eq!(Window::since(Some(NOW), DEEP, NOW.minus(MINUTE), AT).from, Millis(1_795_212_285_000));
        assert_eq!(Window::since(None, DEEP, Millis(i64::MIN), AT).from, Millis(NOW.minus(RETENTION).0 / 1000 * 1000));
    }

    #[test]
    fn a_clock_set_back_leaves_no_gap_and_no_empty_window() {
        let ahead = NOW.plus(DEEP);
        let window = Window::since(Some(ahead), USUAL, Millis(i64::MIN), AT);
        assert_eq!(window, Window::since(Some(NOW), USUAL, Millis(i64::MIN), AT));
        let future_cut = Window::since(None, USUAL, ahead, AT);
        assert!(future_cut.from <= future_cut.until);
    }

    #[test]
    fn clocks_that_differ_are_read_to_the_later_and_the_watermark_stays_before_the_earlier() {
        let years = DEEP * 4_000;
        for (certain, latest) in [(Some(NOW), NOW.plus(years)), (Some(NOW.minus(DEEP)), NOW), (None, NOW.plus(years))] {
            let window = Window::since(Some(NOW.minus(DEEP * 2)), USUAL, Millis(i64::MIN), Reached { certain, latest });
            assert!(window.from <= NOW.minus(DEEP * 2).minus(USUAL) && window.until >= latest);
            assert_eq!(window.watermark(), certain);
            let (mut slices, mut found) = (window.slices(SLICE), Vec::new());
            while let Some(slice) = slices.next(Some(0)) {
                assert!(slice.watermark() <= certain);
                found.push(slice);
            }
            assert!(found.len() <= 3, "years that have not come cost no request each: {found:?}");
            assert_eq!(found.last().map(|slice| slice.until), Some(window.until));
        }
    }

    #[test]
    fn slices_cover_the_window_without_a_hole() {
        let window = Window::since(None, USUAL, NOW.minus(DEEP * 5), AT);
        for (pages, least, most) in [(0, 2, 4), (1, 2, 4), (10, 5, 6), (1000, 50, 200)] {
            let (mut slices, mut cost, mut found) = (window.slices(SLICE), None, Vec::new());
            while let Some(slice) = slices.next(cost) {
                found.push(slice);
                cost = Some(pages);
            }
            assert_eq!(found.first().map(|slice| slice.from), Some(window.from));
            assert_eq!(found.last().map(|slice| slice.until), Some(window.until));
            assert!(found.windows(2).all(|pair| pair[0].until == pair[1].from));
            assert!((least..=most).contains(&found.len()), "{pages} pages: {} slices", found.len());
        }
    }

    #[test]
    fn a_window_of_too_many_pages_is_followed_by_short_slices_only() {
        let window = |length: Duration| Window { from: NOW.minus(length), until: NOW, certain: Some(NOW) };
        assert_eq!(window(DEEP * 20).shorter(), SLICE);
        assert_eq!(window(DEEP).shorter(), DEEP / 4);
        assert_eq!(window(MINUTE).shorter(), MINUTE);
        let mut slices = window(DEEP).slices(MINUTE * 90);
        let mut found = 0;
        let mut cost = None;
        while let Some(slice) = slices.next(cost) {
            assert!(slice.until.since(slice.from) <= MINUTE * 90, "{slice:?}");
            (found, cost) = (found + 1, Some(if found % 2 == 0 { 0 } else { 1000 }));
        }
        assert!((16..=32).contains(&found), "{found} slices");
    }

    #[tokio::test(start_paused = true)]
    async fn margins_follow_their_cost() {
        let mut reach = Reach::default();
        assert_eq!(reach.margin(), DEEP);
        reach.done(DEEP, 40);
        assert_eq!(reach.margin(), USUAL);
        reach.done(USUAL, 3);
        tokio::time::advance(MINUTE).await;
        assert_eq!(reach.margin(), SHORT);
        tokio::time::advance(USUAL_EVERY).await;
        assert_eq!(reach.margin(), USUAL);
        reach.done(USUAL, 2);
        assert_eq!(reach.margin(), USUAL);
        tokio::time::advance(DEEP_EVERY).await;
        assert_eq!(reach.margin(), DEEP);
    }
}
