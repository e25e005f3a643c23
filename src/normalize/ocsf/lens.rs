//! What the lens adds to an event: techniques, where the class takes them without a profile that vintner does not apply
//! (event-schema.md section 1, decision 4), which only `finding_info` of a Detection Finding does; else tags.

use super::choice::Text;
use super::object::attack::Attack;
use super::object::metadata::Tag;
use crate::normalize::lens::rule::{Rule, Technique};

/// Who acted, and from where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acting<'a> {
    pub(crate) user: Option<Text<'a>>,
    pub(crate) address: Option<Text<'a>>,
}

/// `finding_info.attacks`.
pub(crate) fn attacks<'a>(hits: &[&'a Rule]) -> Vec<Attack<'a>> {
    techniques(hits).into_iter().map(Attack::of).collect()
}

/// The tags of rules alone, for a class that takes the techniques elsewhere.
pub(crate) fn rule_tags<'a>(hits: &[&'a Rule]) -> Vec<Tag<'a>> {
    let names = hits.iter().map(|rule| tag("lens.rule", Text::Borrowed(&rule.id)));
    let own = hits.iter().flat_map(|rule| &rule.tags);
    let own = own.map(|(name, value)| Tag { name: Text::Borrowed(name), value: Text::Borrowed(value) });
    names.chain(own).collect()
}

/// The tags of rules with their techniques and with who acted, whatever attribute the class has for that; none without a hit.
pub(crate) fn all_tags<'a>(hits: &[&'a Rule], acting: Acting<'a>) -> Vec<Tag<'a>> {
    if hits.is_empty() {
        return Vec::new();
    }
    let mut tags = rule_tags(hits);
    let techniques = techniques(hits);
    tags.extend(techniques.iter().map(|technique| tag("attack.technique", Text::Borrowed(&technique.id))));
    tags.extend(techniques.iter().map(|technique| tag("attack.technique_name", Text::Borrowed(&technique.name))));
    tags.extend(acting.user.map(|user| tag("lens.actor", user)));
    tags.extend(acting.address.map(|address| tag("lens.src_ip", address)));
    tags
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

fn tag<'a>(name: &'static str, value: Text<'a>) -> Tag<'a> {
    Tag { name: Text::Borrowed(name), value }
}
