//! `threat`: techniques of MITRE ATT&CK.

use serde::Serialize;

use crate::normalize::ocsf::object::attack::{Attack, Named};

/// `threat`.
#[derive(Debug, Serialize)]
pub(super) struct Threat<'e> {
    framework: &'static str,
    #[serde(skip_serializing_if = "Names::is_empty")]
    tactic: Names<'e>,
    technique: Technique<'e>,
}

/// `threat.technique`.
#[derive(Debug, Serialize)]
struct Technique<'e> {
    #[serde(flatten)]
    names: Names<'e>,
    #[serde(skip_serializing_if = "Names::is_empty")]
    subtechnique: Names<'e>,
}

/// Ids with their names, each id once, in the order of the techniques.
#[derive(Debug, Default, Serialize)]
struct Names<'e> {
    id: Vec<&'e str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    name: Vec<&'e str>,
}

impl<'e> Threat<'e> {
    /// The techniques as ECS groups them; `None` without one.
    pub(super) fn of(attacks: &'e [Attack<'e>]) -> Option<Self> {
        let names = |part: fn(&'e Attack<'e>) -> Option<&'e Named<'e>>| {
            let mut names = Names::default();
            attacks.iter().filter_map(part).for_each(|named| names.add(named));
            names
        };
        let technique = names(|attack| Some(&attack.technique));
        (!technique.is_empty()).then(|| Self {
            framework: "MITRE ATT&CK",
            tactic: names(|attack| attack.tactic.as_ref()),
            technique: Technique { names: technique, subtechnique: names(|attack| attack.sub_technique.as_ref()) },
        })
    }
}

impl<'e> Names<'e> {
    fn add(&mut self, named: &'e Named<'e>) {
        if !self.id.contains(&named.uid) {
            self.id.push(named.uid);
            self.name.extend(named.name);
        }
    }

    fn is_empty(&self) -> bool {
        self.id.is_empty()
    }
}
