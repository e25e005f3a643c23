//! Text of others, fit for a terminal: what it would obey is shown as what it is.

/// White space between the tokens of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As it is.
    Kept,
    /// None: one line.
    OneLine,
}

/// JSON that does nothing to a terminal: hostile characters in texts become escapes, which mean the same.
pub(crate) fn json(json: &str, layout: Layout) -> String {
    let mut safe = String::with_capacity(json.len());
    let (mut in_text, mut is_escaped) = (false, false);
    for c in json.chars() {
        match c {
            '"' if !is_escaped => in_text = !in_text,
            ' ' | '\t' | '\n' | '\r' if !in_text => {
                if layout == Layout::Kept {
                    safe.push(c);
                }
                continue;
            }
            _ => {}
        }
        is_escaped = in_text && c == '\\' && !is_escaped;
        if is_hostile(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

/// The text with every hostile character as an escape.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if is_hostile(c) => safe.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => safe.push(c),
        }
    }
    safe
}

/// The beginning of a text, at most so many characters of it.
pub(crate) fn cropped(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// What a terminal obeys, or what changes the order or the look of what stands beside it: control characters (C0, DEL, C1), line and
/// paragraph separators, marks that turn the direction of text, and invisible ones.
pub(crate) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_meaning_and_its_layout_and_loses_its_power() {
        let value = serde_json::json!({"a": "x\u{9b}2Jy\u{202e}z\u{7f}", "b": [1, "\"\\\u{e0041}"]});
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        for (layout, lines) in [(Layout::Kept, pretty.lines().count()), (Layout::OneLine, 1)] {
            let safe = json(&pretty, layout);
            assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
            assert!(safe.chars().all(|c| c == '\n' || !is_hostile(c)), "{safe:?}");
            assert_eq!(safe.lines().count(), lines);
        }
    }
}
