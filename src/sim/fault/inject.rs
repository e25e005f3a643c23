//! Which rules strike a request: matching and counting.

use fastrand::Rng;

use crate::sim::dice::{Dice, Topic, chance};
use crate::sim::fault::{Fault, Faults, Part, Rule};

/// What strikes one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strike {
    /// The fault whose answer replaces the true one.
    pub(crate) instead: Option<Rule>,
    /// Faults that alter the true one.
    pub(crate) alter: Vec<Rule>,
}

/// The rules in force, with what they have done so far.
#[derive(Debug, Default)]
pub(crate) struct Injector {
    rules: Vec<(Rule, Progress)>,
    draws: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    matched: u32,
    struck: u32,
}

impl Strike {
    /// Whether there is no such part of an answer any more.
    fn leaves_no(&self, part: Part) -> bool {
        match (&self.instead, part) {
            (None, _) => false,
            (Some(rule), Part::Way) => rule.kind == Fault::Reset,
            (Some(_), Part::Whole | Part::Page) => true,
        }
    }
}

impl Injector {
    /// Forgets all rules and puts these in force.
    pub(crate) fn replace(&mut self, faults: Faults) {
        self.rules.clear();
        self.add(faults.rules);
    }

    /// Puts more rules in force.
    pub(crate) fn add(&mut self, rules: Vec<Rule>) {
        self.rules.extend(rules.into_iter().map(|rule| (rule, Progress::default())));
    }

    /// What strikes the request for `path` with `query`. A rule that cannot act, since another has replaced the answer, is
    /// not used up.
    pub(crate) fn strike(&mut self, path: &str, query: &str, dice: Dice) -> Strike {
        let mut strike = Strike::default();
        for part in [Part::Whole, Part::Way, Part::Page] {
            for (rule, progress) in &mut self.rules {
                let matches = rule.is_for(path) && query.contains(rule.query.as_str());
                if !matches || rule.kind.part() != part || strike.leaves_no(part) {
                    continue;
                }
                self.draws += 1;
                if !progress.strikes(rule, &mut dice.roll(Topic::Fault, self.draws)) {
                    continue;
                }
                match part {
                    Part::Whole => strike.instead = Some(rule.clone()),
                    Part::Way | Part::Page => strike.alter.push(rule.clone()),
                }
            }
        }
        strike
    }
}

impl Progress {
    /// Counts a matching request and decides whether the rule strikes it.
    fn strikes(&mut self, rule: &Rule, rng: &mut Rng) -> bool {
        if rule.times.is_some_and(|times| self.struck >= times) {
            return false;
        }
        self.matched = self.matched.saturating_add(1);
        let strikes = self.matched > rule.after && chance(rng, rule.share);
        self.struck = self.struck.saturating_add(u32::from(strikes));
        strikes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(injector: &mut Injector, path: &str, query: &str) -> Option<Fault> {
        injector.strike(path, query, Dice::new(1)).instead.map(|rule| rule.kind)
    }

    #[test]
    fn rules_read_from_json_count_down_and_are_beaten_by_earlier_ones() {
        let json = r#"{"rules": [
            {"kind": "status", "status": 503, "times": 2, "after": 1, "path": "/api/v2/account/alerts/open"},
            {"kind": "unauthorized", "query": "page=2"}
        ]}"#;
        let mut injector = Injector::default();
        injector.replace(serde_json::from_str(json).unwrap());
        let open = "/api/v2/account/alerts/open";
        let seen: Vec<_> = (0..4).map(|_| strikes(&mut injector, open, "max=250&page=2")).collect();
        let expected = [Fault::Unauthorized, Fault::Status, Fault::Status, Fault::Unauthorized].map(Some);
        assert_eq!(seen, expected);
        assert_eq!(strikes(&mut injector, "/api/v2/account", ""), None);
    }

    #[test]
    fn a_path_is_a_beginning_or_the_whole() {
        let mut injector = Injector::default();
        injector.add(vec![Rule::new(Fault::Reset).on("/api/v2/account$")]);
        assert_eq!(strikes(&mut injector, "/api/v2/account/sites", ""), None);
        assert_eq!(strikes(&mut injector, "/api/v2/account", ""), Some(Fault::Reset));
    }

    #[test]
    fn a_share_strikes_about_so_often() {
        let mut injector = Injector::default();
        injector.add(vec![Rule { share: 0.25, ..Rule::new(Fault::Reset) }]);
        let hits = (0..2000).filter(|_| strikes(&mut injector, "/x", "").is_some()).count();
        assert!((400..600).contains(&hits), "{hits}");
    }

    #[test]
    fn unknown_keys_and_kinds_are_refused() {
        assert!(serde_json::from_str::<Rule>(r#"{"kind": "reset", "often": 1}"#).is_err());
        assert!(serde_json::from_str::<Rule>(r#"{"kind": "gremlins"}"#).is_err());
    }
}
