//! What went less than perfectly while an event was made: notes for `metadata.debug`, and how much the limits cut.

use std::borrow::Cow;

/// Limit of any one string (event-schema.md section 10), in bytes.
pub(crate) const MAX_STRING: usize = 32 * 1024;
/// Notes beyond this say nothing new.
const MAX_NOTES: usize = 50;

/// Collected while one event is made. A note names a field, never its value: a value may be what must not be told twice.
#[derive(Debug)]
pub(crate) struct Notes {
    debug: Vec<String>,
    cut: usize,
    max_string: usize,
}

impl Default for Notes {
    fn default() -> Self {
        Self::within(MAX_STRING)
    }
}

impl Notes {
    /// For an event whose strings have at most `max_string` bytes.
    pub(crate) fn within(max_string: usize) -> Self {
        Self { debug: Vec::new(), cut: 0, max_string }
    }

    /// Adds a note, once.
    pub(crate) fn add(&mut self, note: String) {
        if self.debug.len() < MAX_NOTES && !self.debug.contains(&note) {
            self.debug.push(note);
        }
    }

    /// `text` within the limit of any string.
    pub(crate) fn limit<'a>(&mut self, text: Cow<'a, str>) -> Cow<'a, str> {
        self.limit_to(text, self.max_string)
    }

    /// `text` within `max` bytes, cut where a character ends.
    pub(crate) fn limit_to<'a>(&mut self, text: Cow<'a, str>, max: usize) -> Cow<'a, str> {
        if text.len() <= max {
            return text;
        }
        let end = text.floor_char_boundary(max);
        self.cut = self.cut.saturating_add(text.len().saturating_sub(end));
        match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.get(..end).unwrap_or_default()),
            Cow::Owned(mut text) => {
                text.truncate(end);
                Cow::Owned(text)
            }
        }
    }

    /// Whether a string's source text is surely within the limit.
    pub(crate) fn fits(&self, source: &str) -> bool {
        source.len() <= self.max_string
    }

    /// Counts `bytes` that a limit kept out of the event.
    pub(crate) fn add_cut(&mut self, bytes: usize) {
        self.cut = self.cut.saturating_add(bytes);
    }

    /// Counts observables that were too many.
    pub(crate) fn add_cut_observables(&mut self, surplus: usize) {
        // About what one takes in an event.
        self.add_cut(surplus.saturating_mul(100));
    }

    /// Bytes that limits kept out of the event so far.
    pub(crate) fn cut(&self) -> usize {
        self.cut
    }

    /// The notes.
    pub(crate) fn into_debug(self) -> Vec<String> {
        self.debug
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_characters_and_counts() {
        let mut notes = Notes::default();
        assert_eq!(notes.limit_to("ab\u{e9}\u{e9}".into(), 5), "ab\u{e9}");
        assert_eq!(notes.cut(), 2);
        assert_eq!(notes.limit_to("ab".into(), 2), "ab");
        assert_eq!(notes.cut(), 2);
    }
}
