//! In which site a device was at a time, by what observations of it prove.

use std::time::Duration;

use crate::clock::Millis;

/// How far the API's clock, which dates records, may be from our idea of it.
const SKEW: Duration = Duration::from_secs(1);

/// An answer may lag behind a move by this much, the clocks' difference included.
const LAG: Duration = Duration::from_secs(10);

/// Observations of a device in one site, without one in another site between them. Times are by the API's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    /// Uid of the site; `None` if the device was in none.
    pub site: Option<String>,
    /// When the answer of the first observation had arrived.
    pub since: Millis,
    /// When the request of the last observation had not been sent yet; before `since` if there was only one.
    pub until: Millis,
}

/// What is known of where a device was at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// In the site of this uid: it was observed there before and after.
    In(String),
    /// Observed before; one more observation, of a request that is sent at this time or later, decides.
    Later(Millis),
    /// Observed in two sites around that time, in none, or never before.
    Unknown,
}

impl Whereabouts {
    /// From when on an observation decides.
    pub fn later(&self) -> Option<Millis> {
        match self {
            Self::Later(from) => Some(*from),
            Self::In(_) | Self::Unknown => None,
        }
    }
}

/// Where a device was at `at`; `stays` are in the order of their time.
pub fn whereabouts(stays: &[Stay], at: Millis) -> Whereabouts {
    let after = at.plus(LAG);
    let Some((index, stay)) = begun(stays, at) else { return Whereabouts::Unknown };
    let next = stays.get(index + 1);
    match &stay.site {
        // Answers that cross each other may overlap.
        Some(site) if stay.until >= after && next.is_none_or(|next| next.since > stay.until) => {
            Whereabouts::In(site.clone())
        }
        Some(_) if next.is_none() => Whereabouts::Later(after),
        Some(_) | None => Whereabouts::Unknown,
    }
}

/// The stay in which a device was observed last before `at`; `stays` are in the order of their time.
pub fn last_before(stays: &[Stay], at: Millis) -> Option<&Stay> {
    begun(stays, at).map(|(_, stay)| stay)
}

/// The last stay that had begun at `at`: an observation between it and `at` would have begun another one.
fn begun(stays: &[Stay], at: Millis) -> Option<(usize, &Stay)> {
    let before = at.minus(SKEW);
    stays.iter().enumerate().rfind(|(_, stay)| stay.since <= before)
}

/// What an observation does to the last stay. `sent` and `received` are
/// when the request was sent and the answer had arrived. An observation older than the last stay changes nothing.
pub fn observe(last: Option<&Stay>, site: Option<&str>, sent: Millis, received: Millis) -> Observed {
    match last {
        Some(stay) if received < stay.since => Observed::Nothing,
        Some(stay) if stay.site.as_deref() == site && sent <= stay.until => Observed::Nothing,
        Some(stay) if stay.site.as_deref() == site => Observed::Extends(Stay { until: sent, ..stay.clone() }),
        Some(_) | None => Observed::Begins(Stay { site: site.map(str::to_owned), since: received, until: sent }),
    }
}

/// What an observation does to the history of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// It adds nothing.
    Nothing,
    /// The last stay goes on.
    Extends(Stay),
    /// Another stay begins.
    Begins(Stay),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stay(site: &str, since: i64, until: i64) -> Stay {
        Stay { site: Some(site.into()), since: Millis(since * 1000), until: Millis(until * 1000) }
    }

    #[test]
    fn a_site_counts_that_was_seen_before_and_after_with_no_other_between() {
        let stays = [stay("a", 100, 200), stay("b", 300, 400)];
        let at = |second: i64| whereabouts(&stays, Millis(second * 1000));
        assert_eq!(at(50), Whereabouts::Unknown, "never seen before");
        assert_eq!(at(100), Whereabouts::Unknown, "the clocks may differ");
        assert_eq!(at(150), Whereabouts::In("a".into()));
        assert_eq!(at(195), Whereabouts::Unknown, "an answer may lag");
        assert_eq!(at(250), Whereabouts::Unknown, "in two sites around that time");
        assert_eq!(at(350), Whereabouts::In("b".into()));
        assert_eq!(at(395), Whereabouts::Later(Millis(405_000)));
        assert_eq!(whereabouts(&[], Millis(0)), Whereabouts::Unknown);
        let last = |second: i64| last_before(&stays, Millis(second * 1000)).and_then(|stay| stay.site.as_deref());
        assert_eq!([50, 100, 102, 250, 350, 900].map(last), [None, None, Some("a"), Some("a"), Some("b"), Some("b")]);
        let nowhere = [Stay { site: None, ..stay("a", 100, 200) }];
        assert_eq!(whereabouts(&nowhere, Millis(150_000)), Whereabouts::Unknown);
    }

    /// One observation: when the request was sent, when the device was looked at, when the answer had arrived.
    #[derive(Clone, Copy, Debug)]
    struct Look {
        sent: i64,
        seen: i64,
        received: i64,
    }

    fn looks() -> impl Strategy<Value = Vec<Look>> {
        let look = (0..2_000_000_i64, 0..9_000_i64, 0..9_000_i64).prop_map(|(sent, way, back)| {
            let seen = sent + way;
            Look { sent, seen, received: seen + back }
        });
        proptest::collection::vec(look, 0..30)
    }

    /// The site of a device at a time, by its moves.
    fn site_at(moves: &[(i64, u8)], at: i64) -> String {
        moves.iter().rfind(|(when, _)| *when <= at).map_or(0, |(_, site)| *site).to_string()
    }

    fn history(moves: &[(i64, u8)], looks: &[Look]) -> Vec<Stay> {
        let mut stays: Vec<Stay> = Vec::new();
        for look in looks {
            let site = site_at(moves, look.seen);
            match observe(stays.last(), Some(&site), Millis(look.sent), Millis(look.received)) {
                Observed::Nothing => {}
                Observed::Extends(stay) => *stays.last_mut().unwrap() = stay,
                Observed::Begins(stay) => stays.push(stay),
            }
        }
        stays
    }

    proptest! {
        /// However the observations come in, a site is named only if the device was observed there before and after, and in no other between.
        #[test]
        fn a_site_that_is_named_is_proven(
            mut moves in proptest::collection::vec((0..2_000_000_i64, 0..3_u8), 0..6),
            looks in looks(),
            at in 0..2_000_000_i64,
        ) {
            moves.sort_unstable();
            let stays = history(&moves, &looks);
            if let Whereabouts::In(site) = whereabouts(&stays, Millis(at)) {
                let there = |look: &&Look| site_at(&moves, look.seen) == site;
                let before = looks.iter().filter(there).filter(|look| look.received <= at - 1_000).map(|look| look.seen).max();
                let after = looks.iter().filter(there).filter(|look| look.sent >= at + 10_000).map(|look| look.seen).min();
                prop_assert!(before.is_some() && after.is_some(), "{stays:?}");
            }
        }

        /// Observations in the order of their time, at least one between any two moves: then the site that is named is the true one.
        #[test]
        fn a_site_that_is_named_is_the_true_one(
            gaps in proptest::collection::vec((20_000..200_000_i64, 0..3_u8), 0..8),
            pace in 1_000..19_000_i64,
            way in 0..400_i64,
            at in 0..1_500_000_i64,
        ) {
            let mut when = 0;
            let moves: Vec<(i64, u8)> = gaps.iter().map(|(gap, site)| { when += gap; (when, *site) }).collect();
            let looks: Vec<Look> =
                (0..1_600_000 / pace).map(|n| Look { sent: n * pace, seen: n * pace + way, received: n * pace + 2 * way }).collect();
            let found = whereabouts(&history(&moves, &looks), Millis(at));
            if let Whereabouts::In(site) = found {
                prop_assert_eq!(site, site_at(&moves, at));
            }
        }
    }
}
