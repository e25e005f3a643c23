//! `unmapped.datto_rmm`: what no attribute took, under Datto's own names (event-schema.md section 10).

use crate::normalize::json::fields::Fields;
use crate::normalize::json::{Json, prune};
use crate::normalize::notes::Notes;

/// Written as JSON text from the start: the values are copied from the source once and never held as a tree.
#[derive(Debug, Default)]
pub(crate) struct Residue {
    members: String,
    /// Names that vintner gave, not Datto.
    given: Vec<&'static str>,
}

impl Residue {
    /// Adds a value under a name that vintner gives it; all such names come before [`Self::fields`].
    pub(crate) fn value(&mut self, name: &'static str, value: Json<'_>, notes: &mut Notes) {
        self.give(name, |out| prune::write(out, value, notes));
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, name: &'static str, text: &str, notes: &mut Notes) {
        let text = notes.limit(text.into());
        self.give(name, |out| {
            prune::write_text(out, &text);
            !text.is_empty()
        });
    }

    /// Adds what is left of an object, as an object.
    pub(crate) fn object(&mut self, name: &'static str, fields: &Fields<'_>, notes: &mut Notes) {
        self.give(name, |out| prune::write_members(out, fields.iter(), 0, notes));
    }

    /// Adds what is left of an object under a key of its own inside `name`: `context.<@class>`.
    pub(crate) fn keyed_object(&mut self, name: &'static str, inner: &str, fields: &Fields<'_>, notes: &mut Notes) {
        self.give(name, |out| {
            let start = out.len();
            out.push('{');
            prune::write_text(out, inner);
            out.push(':');
            let has_content = prune::write_members(out, fields.iter(), 1, notes);
            if has_content {
                out.push('}');
            } else {
                out.truncate(start);
            }
            has_content
        });
    }

    /// Adds what is left of a free-form map as `[{name, value}]` with string values: columnar stores break on maps whose
    /// keys and types change from record to record.
    pub(crate) fn pairs(&mut self, name: &'static str, fields: &Fields<'_>, notes: &mut Notes) {
        self.give(name, |out| write_pairs(out, fields, notes));
    }

    /// Adds every field that is left, under Datto's own name; with an underscore where vintner gave that name already.
    pub(crate) fn fields(&mut self, fields: &Fields<'_>, notes: &mut Notes) {
        for (key, value) in fields.iter() {
            if self.given.contains(&key) {
                self.member(&format!("{key}_"), |out| prune::write(out, value, notes));
            } else {
                self.member(key, |out| prune::write(out, value, notes));
            }
        }
    }

    /// The whole as the text of an object; `None` if there is nothing. What was copied from valid JSON is valid JSON.
    pub(crate) fn into_object(self) -> Option<String> {
        (!self.members.is_empty()).then(|| format!("{{{}}}", self.members))
    }

    fn give(&mut self, name: &'static str, write: impl FnOnce(&mut String) -> bool) {
        if self.member(name, write) {
            self.given.push(name);
        }
    }

    /// Adds a member, if there is anything to write; returns whether there was.
    fn member(&mut self, key: &str, write: impl FnOnce(&mut String) -> bool) -> bool {
        let mark = self.members.len();
        if mark > 0 {
            self.members.push(',');
        }
        prune::write_text(&mut self.members, key);
        self.members.push(':');
        let has_content = write(&mut self.members);
        if !has_content {
            self.members.truncate(mark);
        }
        has_content
    }
}

/// Appends `[{name, value}]`; returns whether there was anything to append.
pub(crate) fn write_pairs(out: &mut String, fields: &Fields<'_>, notes: &mut Notes) -> bool {
    let start = out.len();
    for (name, value) in fields.iter() {
        let text = value.scalar().unwrap_or(value.source().into());
        if value.is_blank() || text.is_empty() {
            continue;
        }
        out.push(if out.len() == start { '[' } else { ',' });
        // An empty name is one that a script really wrote; an empty string is not told, so the pair has its value only.
        if !name.is_empty() {
            out.push_str("{\"name\":");
            prune::write_text(out, name);
            out.push_str(",\"value\":");
        } else {
            out.push_str("{\"value\":");
        }
        prune::write_text(out, &notes.limit(text));
        out.push('}');
    }
    let has_content = out.len() > start;
    if has_content {
        out.push(']');
    }
    has_content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_collide_and_nothing_empty_is_written() {
        let source = r#"{"context":"theirs","a":null,"b":{"c":[]},"d":1e2}"#;
        let fields = Fields::open(Json::parse(source).unwrap(), "").unwrap();
        let inner = Fields::open(Json::parse(r#"{"x":1}"#).unwrap(), "").unwrap();
        let mut notes = Notes::default();
        let mut residue = Residue::default();
        residue.keyed_object("context", "some_ctx", &inner, &mut notes);
        residue.keyed_object("empty", "some_ctx", &Fields::default(), &mut notes);
        residue.fields(&fields, &mut notes);
        assert_eq!(residue.into_object().unwrap(), r#"{"context":{"some_ctx":{"x":1}},"context_":"theirs","d":1e2}"#);
        assert!(Residue::default().into_object().is_none());
    }

    #[test]
    fn maps_become_pairs_of_texts() {
        let source = r#"{"data.x":884411,"y":{"z":[true]},"":"unnamed","n":null}"#;
        let fields = Fields::open(Json::parse(source).unwrap(), "").unwrap();
        let mut residue = Residue::default();
        residue.pairs("details", &fields, &mut Notes::default());
        assert_eq!(
            residue.into_object().unwrap(),
            r#"{"details":[{"name":"data.x","value":"884411"},{"name":"y","value":"{\"z\":[true]}"},{"value":"unnamed"}]}"#
        );
    }
}
