//! What must not be shown of a file that cannot be parsed: there the places of secrets can only be guessed, so rather too much.

use std::ops::Range;

/// Parts of keys (in lower case) that stand before secrets.
const SECRET_WORDS: [&str; 7] = ["key", "secret", "password", "passwd", "token", "auth", "credential"];
/// Delimiters of texts that go on over lines.
const LONG_QUOTES: [&str; 2] = ["\"\"\"", "'''"];

/// Ranges of a broken TOML text that may be secrets: what follows a telling key, and URLs with a user name.
pub(crate) fn hidden_ranges(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut offset: usize = 0;
    while let Some(rest) = text.get(offset..).filter(|rest| !rest.is_empty()) {
        let line = rest.split_inclusive('\n').next().unwrap_or(rest);
        let mut next = offset.saturating_add(line.len());
        if let Some(start) = secret_start(line).map(|start| offset.saturating_add(start)) {
            let end = long_text_end(text, start).unwrap_or(next);
            next = next.max(end);
            ranges.push(start..next);
        } else if line.contains("://") && line.contains('@') {
            ranges.push(offset..next);
        }
        offset = next;
    }
    ranges
}

/// Where in a line the first value begins that follows a telling key and is not plainly a reference.
fn secret_start(line: &str) -> Option<usize> {
    let mut from = 0;
    for (equals, _) in line.match_indices('=') {
        let key = line.get(from..equals)?.to_lowercase();
        let value_start = equals.saturating_add(1);
        let value = line.get(value_start..)?.trim_start();
        let reference = value.strip_prefix('{').map(str::trim_start);
        let is_reference =
            reference.is_some_and(|inner| ["env", "file", "credential"].iter().any(|word| inner.starts_with(word)));
        // `{ env = "NAME" }`: the inner keys are no telling ones, but `credential` and `key_file` are names of files.
        let is_name = key.trim_end().ends_with("_file") || key.trim_end().ends_with("credential");
        if !is_reference && !is_name && SECRET_WORDS.iter().any(|word| key.contains(word)) {
            return Some(value_start);
        }
        from = value_start;
    }
    None
}

/// The end of a text over several lines that begins at `start`; the end of the file if it never ends.
fn long_text_end(text: &str, start: usize) -> Option<usize> {
    let rest = text.get(start..)?;
    let value = rest.trim_start();
    let quotes = LONG_QUOTES.iter().find(|quotes| value.starts_with(**quotes))?;
    let opened = rest.len().saturating_sub(value.len()).saturating_add(quotes.len());
    let closed = rest.get(opened..)?.find(*quotes);
    Some(closed.map_or(text.len(), |at| start.saturating_add(opened).saturating_add(at).saturating_add(quotes.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str) -> Vec<&str> {
        hidden_ranges(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn values_after_telling_keys_are_hidden() {
        assert_eq!(hidden("api_key = S3CR3T\nplatform = merlot\n"), [" S3CR3T\n"]);
        assert_eq!(hidden("sasl = { mechanism = \"PLAIN\", password = \"hunter2\", x }"), [" \"hunter2\", x }"]);
        assert_eq!(hidden("url = \"https://user:pass@host\n"), ["url = \"https://user:pass@host\n"]);
        assert_eq!(hidden("\"API-Key\" = 'x'"), [" 'x'"]);
    }

    #[test]
    fn texts_over_lines_are_hidden_to_their_end() {
        assert_eq!(hidden("secret = \"\"\"one\ntwo\"\"\" x\nname = 1\n"), [" \"\"\"one\ntwo\"\"\""]);
        assert_eq!(hidden("secret = '''one\ntwo\n"), [" '''one\ntwo\n"]);
    }

    #[test]
    fn references_are_shown() {
        assert!(hidden("api_key = { env = \"ACME_KEY\"\n").is_empty());
        assert!(hidden("api_key = { credential = \"acme\"\n").is_empty());
        assert_eq!(hidden("api_key = { value = \"S3CR3T\"\n"), [" { value = \"S3CR3T\"\n"]);
    }
}
