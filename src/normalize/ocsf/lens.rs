//! What the lens adds to an event: the techniques in `attacks`, of a finding in `finding_info.attacks`; the rules and their rank as
//! tags. `attacks` belongs to the profile `security_control`, which also asks what was done about it: it was observed and logged.

use super::captions;
use super::choice::{Choice, Text};
use super::class::Body;
use super::event::Draft;
use super::object::attack::Attack;
use super::object::metadata::{Tag, Transformation};
use super::scope::Scope;
use crate::normalize::lens::rule::{Rank, Rule, Technique};

/// `action_id`: neither allowed nor denied.
const OBSERVED: u32 = 3;
/// `disposition_id`: written down, with no further action.
const LOGGED: u32 = 17;
/// The profile that `attacks` belongs to on every class but the finding.
const PROFILE: &str = "security_control";

/// The attributes of the profile `security_control` that vintner fills.
#[derive(Clone, Debug)]
pub(crate) struct Control<'a> {
    pub(crate) action: Choice<'a>,
    pub(crate) disposition: Choice<'a>,
    pub(crate) attacks: Vec<Attack<'a>>,
}

impl<'a> Control<'a> {
    /// Techniques that were observed.
    pub(crate) fn observed(attacks: Vec<Attack<'a>>) -> Self {
        let action = Choice::of(captions::ACTION, OBSERVED);
        Self { action, disposition: Choice::of(captions::DISPOSITION, LOGGED), attacks }
    }

    /// Action, disposition and attacks, as an event holds them.
    pub(crate) fn into_parts(self) -> (Option<Choice<'a>>, Option<Choice<'a>>, Vec<Attack<'a>>) {
        (Some(self.action), Some(self.disposition), self.attacks)
    }
}

/// Adds what the rules that fit say; nothing without one.
pub(crate) fn mark<'a>(draft: &mut Draft<'a>, hits: &[&'a Rule], scope: &Scope<'a>) {
    let Some(rank) = hits.iter().map(|rule| rule.rank).max() else { return };
    draft.tags.extend(tags(hits, rank));
    draft.lens = Some(Transformation::lens(&scope.options().lens.version));
    let attacks: Vec<Attack<'a>> = techniques(hits).into_iter().map(Attack::of).collect();
    if attacks.is_empty() {
        return;
    }
    if let Body::Finding(finding) = &mut draft.body {
        finding.finding_info.attacks = attacks;
    } else {
        draft.profiles.push(PROFILE);
        draft.control = Some(Control::observed(attacks));
    }
}

/// Names of the rules, their rank, and the tags that they name.
fn tags<'a>(hits: &[&'a Rule], rank: Rank) -> Vec<Tag<'a>> {
    let tag = |name: &'static str, value| Tag { name: Text::Borrowed(name), value };
    let names = hits.iter().map(|rule| tag("lens.rule", Text::Borrowed(&rule.id)));
    let rank = tag("lens.rank", Text::Borrowed(rank.as_str()));
    let own = hits.iter().flat_map(|rule| &rule.tags);
    let own = own.map(|(name, value)| Tag { name: Text::Borrowed(name), value: Text::Borrowed(value) });
    names.chain([rank]).chain(own).collect()
}

/// The techniques of all rules, each once.
fn techniques<'a>(hits: &[&'a Rule]) -> Vec<&'a Technique> {
    let mut found: Vec<&'a Technique> = Vec::new();
    for technique in hits.iter().flat_map(|rule| &rule.techniques) {
        if found.iter().all(|known| known.id != technique.id) {
            found.push(technique);
        }
    }
    found
}
