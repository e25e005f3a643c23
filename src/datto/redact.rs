//! What of an error body may be shown: a short, printable excerpt without anything that resembles a secret.

/// Longest excerpt, in bytes.
const EXCERPT_BYTES: usize = 300;
/// Larger bodies are named by size only: to mask all of them would cost more than they tell.
const READ_BYTES: usize = 64 * 1024;
/// Shortest secret that is looked for by value; a shorter one would mask ordinary words.
const MIN_SECRET_BYTES: usize = 4;
/// Names whose value is masked wherever one of them ends a word.
const NAMES: [&str; 13] = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "secretkey",
    "accesskey",
    "username",
    "authorization",
    "cookie",
];
/// Schemes whose next word is masked.
const SCHEMES: [&str; 2] = ["bearer", "basic"];
const MASK: &str = "****";

/// An excerpt of `body` for a log or an error: at most 300 bytes on one line, with the values in `known` and everything
/// that is named like a secret masked.
pub(super) fn excerpt(body: &[u8], known: &[&str]) -> String {
    if body.is_empty() {
        return "an empty body".to_owned();
    }
    if body.len() > READ_BYTES {
        return format!("a body of {} bytes", body.len());
    }
    let text = String::from_utf8_lossy(body);
    shorten(&mask_named(&mask_known(&text, known)))
}

/// `text` on one line, cut to 300 bytes.
fn shorten(text: &str) -> String {
    let mut out = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        for c in word.chars() {
            if out.len().saturating_add(c.len_utf8()) > EXCERPT_BYTES {
                out.push('…');
                return out;
            }
            out.push(c);
        }
    }
    out
}

fn mask_known(text: &str, known: &[&str]) -> String {
    let mut out = text.to_owned();
    for secret in known.iter().filter(|s| s.len() >= MIN_SECRET_BYTES) {
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        out = out.replace(*secret, MASK).replace(&encoded, MASK);
    }
    out
}

/// Masks the value after every word that ends in a secret's name (`"access_token": "…"`, `password=…`) and the word after
/// an authorization scheme.
fn mask_named(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        let (gap, from_word) = rest.split_at(start);
        let word_end = from_word.find(|c| !is_word(c)).unwrap_or(from_word.len());
        let (word, after) = from_word.split_at(word_end);
        out.push_str(gap);
        out.push_str(word);
        rest = after;
        let name = word.to_ascii_lowercase();
        let value_from = if NAMES.iter().any(|n| name.ends_with(n)) {
            after_separator(after)
        } else if SCHEMES.contains(&name.as_str()) {
            Some(after.trim_start())
        } else {
            None
        };
        let Some(value_on) = value_from else { continue };
        out.push_str(after.get(..after.len().saturating_sub(value_on.len())).unwrap_or_default());
        out.push_str(MASK);
        rest = after_value(value_on);
    }
    out.push_str(rest);
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// The text after `=` or `:`, with quotes and spaces around it skipped; `None` if there is no separator.
fn after_separator(after: &str) -> Option<&str> {
    let closed = after.trim_start_matches(['"', '\'', '\\']).trim_start();
    closed.strip_prefix(['=', ':']).map(str::trim_start)
}

/// What follows a value: a quoted one ends at its quote, another at a separator or line end.
fn after_value(text: &str) -> &str {
    let open = text.trim_start_matches('\\');
    for quote in ['"', '\''] {
        let Some(inner) = open.strip_prefix(quote) else { continue };
        let mut escaped = false;
        for (at, c) in inner.char_indices() {
            if c == quote && !escaped {
                return inner.get(at..).unwrap_or_default();
            }
            escaped = c == '\\' && !escaped;
        }
        return "";
    }
    let end = text.find(['&', ',', ';', '}', '<', '\n', '\r']).unwrap_or(text.len());
    text.get(end..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        excerpt(text.as_bytes(), &["AK-12345", "s3cr+t/x"])
    }

    #[test]
    fn known_values_never_show() {
        for text in ["you sent AK-12345 and s3cr+t/x", "x%2Bs3cr%2Bt%2Fx", "xxAK-12345xx", "[\"s3cr+t/x\"]"] {
            let shown = masked(text);
            assert!(!shown.contains("AK-12345") && !shown.contains("s3cr+t") && !shown.contains("s3cr%2Bt"), "{shown}");
        }
    }

    #[test]
    fn values_named_like_secrets_never_show() {
        for text in [
            r#"{"error":"x","access_token":"hidden","a":1}"#,
            r#"{"apiSecretKey" : "hid\"den hidden"}"#,
            "grant_type=password&password=hidden&x=1",
            "Authorization: Bearer hidden",
            "sent Basic hidden",
            "password: hidden more hidden",
            r#"{\"token\":\"hidden\"}"#,
            "refresh-token='hidden'",
            "PASSWORD=hidden",
        ] {
            let shown = masked(text);
            assert!(!shown.contains("hidden"), "{text} → {shown}");
        }
        assert_eq!(masked(r#"{"error":"invalid_grant","n":1}"#), r#"{"error":"invalid_grant","n":1}"#);
    }

    #[test]
    fn an_excerpt_is_short_and_on_one_line() {
        assert_eq!(masked("a\r\n\tb\u{7}c \u{1b}[31m"), "a b c [31m");
        let long = masked(&"é".repeat(1000));
        assert!(long.len() <= EXCERPT_BYTES + '…'.len_utf8() && long.ends_with('…'));
        assert_eq!(excerpt(&vec![b'x'; READ_BYTES + 1], &[]), "a body of 65537 bytes");
        assert_eq!(excerpt(&[0xff, 0xfe], &[]), "\u{fffd}\u{fffd}");
    }

    proptest::proptest! {
        /// Whatever surrounds it, a known secret does not survive, and nothing panics.
        #[test]
        fn a_known_secret_never_survives(before in ".{0,40}", after in ".{0,400}") {
            let shown = excerpt(format!("{before}AK-12345{after}").as_bytes(), &["AK-12345"]);
            let planted = before.contains("AK-12345") || after.contains("AK-12345");
            proptest::prop_assert!(planted || !shown.contains("AK-12345"));
        }
    }
}
