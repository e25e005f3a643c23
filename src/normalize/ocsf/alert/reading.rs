//! Reading one monitor's context: what it told, and titles made of its fields.

use crate::normalize::json::fields::Fields;
use crate::normalize::json::prune;
use crate::normalize::notes::Notes;
use crate::normalize::ocsf::choice::Text;
use crate::normalize::ocsf::event::one_line;
use crate::normalize::ocsf::object::finding::{Evidence, Malware};

/// `CPU`, `RAM`.
const MAX_ABBREVIATION: usize = 3;
/// A title takes no more characters; it is made for people.
const MAX_TITLE: usize = 512;

/// A context while it is read: what is told leaves `context`.
pub(super) struct Reading<'a, 'n> {
    pub(super) context: Fields<'a>,
    pub(super) told: Told<'a>,
    /// What messages call the device.
    pub(super) device: String,
    pub(super) notes: &'n mut Notes,
}

/// What a context told.
#[derive(Default)]
pub(super) struct Told<'a> {
    pub(super) label: &'static str,
    /// The monitor's row in the table, by the first of its names.
    pub(super) rule: &'static str,
    pub(super) analytic: Text<'a>,
    pub(super) analytic_type: u32,
    pub(super) types: &'static [&'static str],
    /// What it is, without host and value.
    pub(super) title: Option<String>,
    /// What it is, where, and with which value.
    pub(super) message: Option<String>,
    /// A description for when `diagnostics` is empty.
    pub(super) sentence: Option<String>,
    /// What a message adds to the title.
    pub(super) facts: Option<String>,
    pub(super) evidences: Vec<Evidence<'a>>,
    pub(super) malware: Vec<Malware<'a>>,
    pub(super) confidence: Option<i32>,
    pub(super) uid_alt: Option<Text<'a>>,
    pub(super) first_seen: Option<i64>,
    pub(super) last_seen: Option<i64>,
    pub(super) count: Option<i32>,
    /// `evidences[0].data.processName`.
    pub(super) process: Option<Text<'a>>,
}

impl Told<'_> {
    /// What stands behind the title in a message.
    pub(super) fn tail(&self, site: Option<&str>) -> String {
        match (&self.facts, site) {
            (None, _) => String::new(),
            (Some(facts), Some(site)) => format!(" ({site}): {facts}"),
            (Some(facts), None) => format!(": {facts}"),
        }
    }
}

impl<'a> Reading<'a, '_> {
    /// Fills a template: `{field}` is a scalar of the context, `{one|other}` the first of them that is there, `{device}` the
    /// device's name. `{field~}` writes a word of the wire as people do (`NOT_UPTODATE` as "not up to date"), `{field^}` too, but leaves
    /// an abbreviation (`CPU`), and `{field!}` begins a sentence with it. `None` if a field is missing: a text with a hole says less
    /// than the general one.
    pub(super) fn fill(&self, template: &str) -> Option<String> {
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (names, after) = after.split_once('}')?;
            out.push_str(before);
            match names {
                "device" => out.push_str(&self.device),
                _ => out.push_str(&self.field(names)?),
            }
            rest = after;
        }
        out.push_str(rest);
        Some(out)
    }

    fn field(&self, names: &str) -> Option<String> {
        let (names, style) = match names.strip_suffix(['~', '^', '!']) {
            Some(plain) => (plain, names.chars().next_back()),
            None => (names, None),
        };
        let text = names.split('|').find_map(|name| self.context.peek(name))?;
        let is_abbreviation = text.len() <= MAX_ABBREVIATION;
        Some(match style {
            None => text.into_owned(),
            Some('^' | '!') if is_abbreviation => text.into_owned(),
            Some('!') => capitalized(&plain(&text)),
            Some(_) => plain(&text),
        })
    }

    /// Takes these fields into the evidence's `data`; an evidence that would be empty is left out.
    pub(super) fn add_evidence(&mut self, mut evidence: Evidence<'a>, data: &'static [&'static str]) {
        let is_first = self.told.evidences.is_empty();
        let process = self.context.get("processName").and_then(|name| name.string()).filter(|name| !name.is_empty());
        let taken = self.context.take_all(data);
        evidence.data = prune::object(taken, self.notes);
        if evidence.data.is_some() && is_first && data.contains(&"processName") {
            self.told.process = process.map(|name| self.notes.limit(name));
        }
        if evidence.data.is_some() || evidence.file.is_some() || evidence.dst_endpoint.is_some() {
            self.told.evidences.push(evidence);
        }
    }

    /// Takes the whole context into the evidence's `data`.
    pub(super) fn add_whole(&mut self, name: &'static str) {
        let context = std::mem::take(&mut self.context);
        let data = prune::object(context.iter(), self.notes);
        if data.is_some() {
            self.told.evidences.push(Evidence { name, data, ..Evidence::default() });
        }
    }
}

/// A word of the wire, which is in capitals, as people write it.
pub(super) fn plain(text: &str) -> String {
    /// Words that the wire runs together.
    const COMPOUNDS: [(&str, &str); 7] = [
        ("uptodate", "up to date"),
        ("startpending", "start pending"),
        ("stoppending", "stop pending"),
        ("pausepending", "pause pending"),
        ("continuepending", "continue pending"),
        ("notrunning", "not running"),
        ("snmp ", "SNMP "),
    ];
    if text.chars().any(char::is_lowercase) {
        return text.to_owned();
    }
    let text = text.to_lowercase().replace('_', " ");
    COMPOUNDS.iter().fold(text, |text, (compound, words)| text.replace(compound, words))
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Whether a text has this name as a whole word: `DC1` is not in "DC10 is offline".
pub(super) fn names(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(name).any(|(start, found)| {
        let (before, after) = (text.get(..start), text.get(start.saturating_add(found.len())..));
        !before.is_some_and(|before| before.ends_with(is_part))
            && !after.is_some_and(|after| after.starts_with(is_part))
    })
}

/// Text for people as a title: one line of bounded length; `None` if nothing of it can be seen.
pub(super) fn title(text: &str) -> Option<String> {
    let line = one_line(text);
    let end = line.char_indices().nth(MAX_TITLE).map_or(line.len(), |(end, _)| end);
    line.get(..end).filter(|title| !title.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_as_a_whole_word_only() {
        assert!(names("DC1 is offline", "DC1") && names("Ping from DC1: slow", "DC1"));
        assert!(!names("DC10 is offline", "DC1") && !names("Backup of OLD-DC1 failed", "DC1"));
    }

    #[test]
    fn words_of_the_wire_are_written_as_people_do() {
        let words = ["NOT_UPTODATE", "STARTPENDING", "OFFLINE", "Mixed_Case"].map(plain);
        assert_eq!(words, ["not up to date", "start pending", "offline", "Mixed_Case"]);
        assert_eq!(capitalized(&plain("SNMP_THROUGHPUT")), "SNMP throughput");
    }
}
