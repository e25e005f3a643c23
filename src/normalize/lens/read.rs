//! Reads rules from a parsed TOML file; whatever is wrong is told with its place, all of it at once.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::rule::{Conditions, Glob, Rank, Rule, Tactic, Technique, Then};
use crate::record::Stream;

/// Keys of the whole file.
const TOP: [&str; 2] = ["attack_version", "rules"];
/// Keys of a rule.
const KEYS: [&str; 18] = [
    "reason",
    "link",
    "stream",
    "entity",
    "category",
    "action",
    "words",
    "except_words",
    "class",
    "user",
    "by_api_user",
    "details",
    "except_details",
    "rank",
    "techniques",
    "tags",
    "last",
    "attack_version",
];
/// Conditions that only make sense for one of the streams.
const OF_ACTIVITY: [&str; 7] = ["entity", "category", "action", "words", "except_words", "user", "by_api_user"];

/// Beginnings of tags that say whose an event is and which rules fit.
const RESERVED: [&str; 4] = ["datto.", "org.", "attack.", "lens."];

/// Something wrong with a rule: where, what, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Bytes of the file.
    pub span: Range<usize>,
    /// Lowercase, without a full stop.
    pub message: String,
    /// What mends it.
    pub hint: Option<String>,
}

/// One table while it is read.
struct Table<'a> {
    span: Range<usize>,
    members: &'a DeTable<'a>,
    complaints: &'a RefCell<Vec<Complaint>>,
}

type Value<'a> = &'a Spanned<DeValue<'a>>;

/// The rules of a file in its order, and everything that is wrong with it. A rule with a mistake is left out.
pub fn rules(file: &DeTable<'_>) -> (Vec<Rule>, Vec<Complaint>) {
    let complaints = RefCell::default();
    let top = Table { span: 0..0, members: file, complaints: &complaints };
    top.refuse_unknown(&TOP);
    let version = top.text("attack_version");
    let mut rules = Vec::new();
    if let Some(table) = top.table("rules") {
        let mut entries: Vec<_> = table.members.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let before = complaints.borrow().len();
            let rule =
                table.opened(key.span(), value).and_then(|table| rule(key.get_ref(), &table, version.as_deref()));
            rules.extend(rule.filter(|_| complaints.borrow().len() == before));
        }
    }
    (rules, complaints.into_inner())
}

fn rule(id: &str, table: &Table<'_>, version: Option<&str>) -> Option<Rule> {
    table.refuse_unknown(&KEYS);
    let version = table.text("attack_version").or_else(|| version.map(str::to_owned));
    let when = conditions(table);
    let techniques = table.texts("techniques").unwrap_or_default();
    let techniques = techniques.into_iter().filter_map(|(text, span)| table.technique(&text, span, version.clone()));
    let techniques: Vec<Technique> = techniques.collect();
    let tags = table.table("tags").map(|tags| tags.tags()).unwrap_or_default();
    let then = if table.flag("last") == Some(true) { Then::Stop } else { Then::GoOn };
    if when == Conditions::any(when.stream) {
        table.complain(
            table.span.clone(),
            format!("the rule `{id}` has no condition: it would fit every record"),
            None,
        );
    }
    if techniques.is_empty() && tags.is_empty() && then == Then::GoOn && table.value("rank").is_none() {
        let hint = "give it `techniques`, `tags`, `rank` or `last = true`";
        table.complain(table.span.clone(), format!("the rule `{id}` does nothing"), Some(hint));
    }
    let rank = table.rank();
    let [reason, link] = ["reason", "link"].map(|key| table.text(key).unwrap_or_default());
    Some(Rule { id: id.to_owned(), reason, link, when, rank, techniques, tags, then })
}

fn conditions(table: &Table<'_>) -> Conditions {
    let stream = table.stream();
    let globs = |key| -> Vec<Glob> {
        table.texts(key).unwrap_or_default().into_iter().map(|(text, _)| Glob::new(&text)).collect()
    };
    let foreign: &[&str] = if stream == Stream::Activity { &["class"] } else { &OF_ACTIVITY };
    for (key, span) in table.keys().filter(|(key, _)| foreign.contains(key)) {
        let message = format!("`{key}` says nothing about {}", stream.as_str());
        table.complain(span, message, Some("`stream` is \"activity\" unless the rule names another"));
    }
    let details = |key| table.table(key).map(|details| details.named_globs()).unwrap_or_default();
    let (details, except_details) = (details("details"), details("except_details"));
    Conditions {
        entity: globs("entity"),
        category: globs("category"),
        action: globs("action"),
        words: globs("words"),
        except_words: globs("except_words"),
        class: globs("class"),
        user: globs("user"),
        by_api_user: table.flag("by_api_user"),
        details,
        except_details,
        ..Conditions::any(stream)
    }
}

impl<'a> Table<'a> {
    fn complain(&self, span: Range<usize>, message: String, hint: Option<&str>) {
        self.complaints.borrow_mut().push(Complaint { span, message, hint: hint.map(str::to_owned) });
    }

    fn keys(&self) -> impl Iterator<Item = (&'a str, Range<usize>)> {
        let members: &'a DeTable<'a> = self.members;
        members.iter().map(|(key, _)| (key.get_ref().as_ref(), key.span()))
    }

    fn refuse_unknown(&self, known: &[&str]) {
        for (key, span) in self.keys().filter(|(key, _)| !known.contains(key)) {
            let hint = format!("known keys here: {}", known.join(", "));
            self.complain(span, format!("unknown key `{}`", key.escape_debug()), Some(&hint));
        }
    }

    fn value(&self, key: &str) -> Option<Value<'a>> {
        let members: &'a DeTable<'a> = self.members;
        members.get(key)
    }

    fn text(&self, key: &str) -> Option<String> {
        self.text_of(self.value(key)?)
    }

    fn text_of(&self, value: Value<'a>) -> Option<String> {
        let text = value.get_ref().as_str();
        match text {
            Some(text) if !text.trim().is_empty() => return Some(text.to_owned()),
            Some(_) => self.complain(value.span(), "this must not be empty".to_owned(), None),
            None => self.complain(value.span(), "this must be a text in quotes".to_owned(), None),
        }
        None
    }

    fn flag(&self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.complain(value.span(), "this must be true or false".to_owned(), None);
        }
        flag
    }

    /// The texts of a list, or the one text that stands in its place, each with its span.
    fn texts(&self, key: &str) -> Option<Vec<(String, Range<usize>)>> {
        Some(self.texts_of(self.value(key)?))
    }

    fn texts_of(&self, value: Value<'a>) -> Vec<(String, Range<usize>)> {
        let told = |value: Value<'a>| Some((self.text_of(value)?, value.span()));
        match value.get_ref().as_array() {
            None => told(value).into_iter().collect(),
            Some(items) if items.is_empty() => {
                let hint = "leave the key out";
                self.complain(value.span(), "this list is empty, so that nothing would fit".to_owned(), Some(hint));
                Vec::new()
            }
            Some(items) => items.iter().filter_map(told).collect(),
        }
    }

    fn table(&self, key: &str) -> Option<Table<'a>> {
        let value = self.value(key)?;
        self.opened(value.span(), value)
    }

    fn opened(&self, span: Range<usize>, value: Value<'a>) -> Option<Table<'a>> {
        let members = value.get_ref().as_table();
        if members.is_none() {
            self.complain(value.span(), "this must be a table".to_owned(), None);
        }
        Some(Table { span, members: members?, complaints: self.complaints })
    }

    /// Names with texts, in file order. What says whose an event is cannot be said by a rule.
    fn tags(&self) -> Vec<(String, String)> {
        for (key, span) in self.keys() {
            if key.is_empty() || RESERVED.iter().any(|prefix| key.starts_with(prefix)) {
                let hint =
                    format!("these are vintner's own: {}", RESERVED.map(|prefix| format!("{prefix}*")).join(", "));
                self.complain(span, format!("a rule cannot set the tag {key:?}"), Some(&hint));
            }
        }
        self.in_order().into_iter().filter_map(|(key, value)| Some((key.to_owned(), self.text_of(value)?))).collect()
    }

    fn named_globs(&self) -> Vec<(String, Vec<Glob>)> {
        let globs = |value| self.texts_of(value).into_iter().map(|(text, _)| Glob::new(&text)).collect();
        self.in_order().into_iter().map(|(key, value)| (key.to_owned(), globs(value))).collect()
    }

    fn in_order(&self) -> Vec<(&'a str, Value<'a>)> {
        let members: &'a DeTable<'a> = self.members;
        let mut entries: Vec<_> = members.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries.into_iter().map(|(key, value)| (key.get_ref().as_ref(), value)).collect()
    }

    fn stream(&self) -> Stream {
        let Some(value) = self.value("stream") else { return Stream::Activity };
        match value.get_ref().as_str() {
            Some("activity") => Stream::Activity,
            Some("alerts") => Stream::Alerts,
            Some("inventory") => Stream::Inventory,
            _ => {
                let message = "this is not one of \"activity\", \"alerts\" and \"inventory\"";
                self.complain(value.span(), message.to_owned(), None);
                Stream::Activity
            }
        }
    }

    /// A rule without a rank is rare: too much attention is noticed, too little is not.
    fn rank(&self) -> Rank {
        let Some(value) = self.value("rank") else { return Rank::Rare };
        match value.get_ref().as_str() {
            Some("rare") => Rank::Rare,
            Some("routine") => Rank::Routine,
            _ => {
                self.complain(value.span(), "this is not one of \"rare\" and \"routine\"".to_owned(), None);
                Rank::Rare
            }
        }
    }

    /// `TA0008 Lateral Movement > T1072 Software Deployment Tools`; the tactic may be left out. A sub-technique stands behind the name
    /// of its technique: `T1098.001 Account Manipulation: Additional Cloud Credentials`.
    fn technique(&self, text: &str, span: Range<usize>, version: Option<String>) -> Option<Technique> {
        let (tactic, technique) = match text.split_once(" > ") {
            Some((tactic, technique)) => (Some(tactic), technique),
            None => (None, text),
        };
        let parsed = named(technique, is_technique);
        let tactic = tactic.map(|tactic| named(tactic, is_tactic));
        let (Some((id, name)), None | Some(Some(_))) = (parsed, tactic) else {
            let hint = "write id and name: \"T1072 Software Deployment Tools\", \
                \"TA0003 Persistence > T1098.001 Account Manipulation: Additional Cloud Credentials\"";
            self.complain(span, "this is not a technique of MITRE ATT&CK".to_owned(), Some(hint));
            return None;
        };
        let (parent, name) = match name.split_once(": ").filter(|_| id.contains('.')) {
            Some((parent, name)) => (Some(parent.trim().to_owned()), name),
            None => (None, name),
        };
        let tactic = tactic.flatten().map(|(id, name)| Tactic { id: id.to_owned(), name: name.to_owned() });
        Some(Technique { id: id.to_owned(), name: name.trim().to_owned(), parent, tactic, version })
    }
}

/// An id and the name behind it.
fn named(text: &str, is_id: fn(&str) -> bool) -> Option<(&str, &str)> {
    let (id, name) = text.trim().split_once(' ')?;
    (is_id(id) && !name.trim().is_empty()).then_some((id, name.trim()))
}

/// `TA` and four digits.
fn is_tactic(id: &str) -> bool {
    id.strip_prefix("TA").is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `T` and four digits; of a sub-technique, a dot and three more.
fn is_technique(id: &str) -> bool {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(number) = id.strip_prefix('T') else { return false };
    match number.split_once('.') {
        Some((root, sub)) => digits(root, 4) && digits(sub, 3),
        None => digits(number, 4),
    }
}
