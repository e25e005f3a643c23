//! One rule: conditions, and what it adds to an event.

use wildmatch::WildMatch;

use super::Facts;
use crate::record::Stream;

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name in the file, and in the tag `lens.rule`.
    pub id: String,
    /// Why it matters, for people.
    pub reason: String,
    /// Where to read more.
    pub link: String,
    /// When it fits.
    pub when: Conditions,
    /// How much attention its events deserve.
    pub rank: Rank,
    /// Techniques of MITRE ATT&CK that it adds.
    pub techniques: Vec<Technique>,
    /// Further tags: name and value.
    pub tags: Vec<(String, String)>,
    /// What follows it.
    pub then: Then,
}

/// How much attention the events of a rule deserve; an event has the highest rank of its rules (tag `lens.rank`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Daily work of technicians.
    Routine,
    /// Seldom, and worth a look each time.
    Rare,
}

impl Rank {
    /// Its word in rules and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Routine => "routine",
            Self::Rare => "rare",
        }
    }
}

/// Whether rules behind one that fits are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// They are.
    GoOn,
    /// They are not.
    Stop,
}

/// What must be so for a rule to fit: every list that is not empty has a member that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// Alerts, activity or inventory.
    pub stream: Stream,
    /// `entity` of an activity.
    pub entity: Vec<Glob>,
    /// `category` of an activity.
    pub category: Vec<Glob>,
    /// The whole `action` of an activity.
    pub action: Vec<Glob>,
    /// A word of the action, which is split at `.`, `_`, `-` and space.
    pub words: Vec<Glob>,
    /// No word of the action.
    pub except_words: Vec<Glob>,
    /// `@class` of an alert's context; of the inventory `posture.<aspect>` or `<item>.vanished`.
    pub class: Vec<Glob>,
    /// Name of the acting user.
    pub user: Vec<Glob>,
    /// Whether the acting user is one that vintner logs in as; `None`: any user. Where no such user is named, nobody can say,
    /// and neither answer fits.
    pub by_api_user: Option<bool>,
    /// Details of an activity, fields of an alert's context, `from` and `to` of a posture, by name. All of them must be there and fit.
    pub details: Vec<(String, Vec<Glob>)>,
    /// Details of which none may fit.
    pub except_details: Vec<(String, Vec<Glob>)>,
}

/// A text with `*` (any text) and `?` (any character), compared in lower case.
#[derive(Clone, Debug)]
pub struct Glob {
    text: String,
    pattern: WildMatch,
}

/// A technique of MITRE ATT&CK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Technique {
    /// `T1098`, or `T1098.001` of a sub-technique.
    pub id: String,
    /// Its name; of a sub-technique its own, without that of the technique.
    pub name: String,
    /// Of a sub-technique: name of the technique, if the rule names it.
    pub parent: Option<String>,
    /// What it is used for.
    pub tactic: Option<Tactic>,
    /// The version of ATT&CK that knows it under this id and name.
    pub version: Option<String>,
}

/// A tactic of MITRE ATT&CK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tactic {
    /// `TA0008`.
    pub id: String,
    /// Its name.
    pub name: String,
}

impl Rule {
    /// Whether it fits a record.
    pub(crate) fn fits(&self, facts: &Facts<'_>, api_users: &[String]) -> bool {
        let when = &self.when;
        let is_api_user = || facts.users.iter().any(|user| api_users.contains(user));
        when.stream == facts.stream
            && fits_one(&when.category, facts.category)
            && fits_one(&when.entity, facts.entity)
            && fits_one(&when.action, facts.action)
            && fits_one(&when.class, facts.class)
            && (when.words.is_empty() || facts.words.iter().any(|word| fits_one(&when.words, word)))
            && !facts.words.iter().any(|word| when.except_words.iter().any(|glob| glob.fits(word)))
            && (when.user.is_empty() || facts.users.iter().any(|user| fits_one(&when.user, user)))
            && when.by_api_user.is_none_or(|wanted| !api_users.is_empty() && wanted == is_api_user())
            && when.details.iter().all(|detail| fits_detail(detail, facts))
            && !when.except_details.iter().any(|detail| fits_detail(detail, facts))
    }
}

impl Conditions {
    /// No condition but the stream.
    pub fn any(stream: Stream) -> Self {
        Self {
            stream,
            entity: Vec::new(),
            category: Vec::new(),
            action: Vec::new(),
            words: Vec::new(),
            except_words: Vec::new(),
            class: Vec::new(),
            user: Vec::new(),
            by_api_user: None,
            details: Vec::new(),
            except_details: Vec::new(),
        }
    }
}

impl Glob {
    /// A pattern from its text.
    pub fn new(text: &str) -> Self {
        let text = text.to_lowercase();
        Self { pattern: WildMatch::new(&text), text }
    }

    /// Whether `text`, in lower case, fits.
    pub fn fits(&self, text: &str) -> bool {
        self.pattern.matches(text)
    }
}

/// The pattern follows from the text.
impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Glob {}

impl Technique {
    /// The id without the part of a sub-technique.
    pub fn root(&self) -> &str {
        self.id.split('.').next().unwrap_or(&self.id)
    }

    /// Whether it is a sub-technique.
    pub fn is_sub(&self) -> bool {
        self.id.contains('.')
    }
}

/// Whether one of the texts of a detail fits.
fn fits_detail((name, globs): &(String, Vec<Glob>), facts: &Facts<'_>) -> bool {
    (facts.details)(name).iter().any(|text| fits_one(globs, &text.to_lowercase()))
}

/// Whether no glob is asked for, or one fits.
fn fits_one(globs: &[Glob], text: &str) -> bool {
    globs.is_empty() || globs.iter().any(|glob| glob.fits(text))
}
