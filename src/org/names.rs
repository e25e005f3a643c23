//! When two names are the same: exactly, after Unicode normalization and trimming (contract.md section 4).

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Legal forms at the end of a company's name, which some systems leave out.
const LEGAL_FORMS: [&str; 25] = [
    "ab",
    "ag",
    "and",
    "as",
    "bv",
    "co",
    "company",
    "corp",
    "corporation",
    "gmbh",
    "inc",
    "incorporated",
    "kg",
    "limited",
    "llc",
    "llp",
    "ltd",
    "nv",
    "oy",
    "plc",
    "pty",
    "sa",
    "sarl",
    "spa",
    "srl",
];

/// The form in which names are compared: NFC, without surrounding white space. Case counts.
pub fn key(name: &str) -> String {
    name.trim().nfc().collect()
}

/// A name without case, accents, punctuation and legal form: names that are equal so are nearly the same. For suggestions only.
pub fn folded(name: &str) -> String {
    let letters = name.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
    let plain: String = letters
        .map(|c| {
            if c.is_alphanumeric() {
                c
            } else if c == '&' {
                '+'
            } else {
                ' '
            }
        })
        .collect();
    let plain = plain.replace('+', " and ");
    let mut words: Vec<&str> = plain.split_whitespace().collect();
    while words.len() > 1 && words.last().is_some_and(|last| LEGAL_FORMS.contains(last)) {
        words.pop();
    }
    words.join(" ")
}

/// Whether `text` has the shape of a UUID. A site list entry of that shape is a uid and never a name, so that nobody
/// takes over an organization by naming a site after another site's uid.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn composed_and_decomposed_names_are_the_same() {
        assert_eq!(key("Zu\u{308}rich"), key("Z\u{fc}rich"));
        assert_eq!(key("\u{a0} Contoso HQ\t"), "Contoso HQ");
    }

    #[test]
    fn case_inner_space_and_compatibility_forms_differ() {
        assert_ne!(key("contoso"), key("Contoso"));
        assert_ne!(key("Contoso  HQ"), key("Contoso HQ"));
        assert_ne!(key("\u{fb01}ne"), key("fine"));
    }

    #[test]
    fn folded_names_differ_in_words_only() {
        for (a, b) in [
            ("Contoso, Ltd.", "CONTOSO"),
            ("M\u{fc}ller & Co. KG", "muller"),
            ("A & B", "a and b"),
            ("Caf\u{e9}-Bar", "cafe bar"),
        ] {
            assert_eq!(folded(a), folded(b), "{a} and {b}");
        }
        assert_ne!(folded("Contoso East"), folded("Contoso West"));
        assert_eq!(folded("Ltd"), "ltd", "a name is never folded away");
        assert_eq!(folded("--"), "");
    }

    #[test]
    fn only_the_hyphenated_form_is_a_uid() {
        assert!(is_uuid("5b6f0a52-93c4-4d0b-8a7e-2f1f7f6f4c11"));
        assert!(!is_uuid("5b6f0a5293c44d0b8a7e2f1f7f6f4c11"));
        assert!(!is_uuid("Deleted Devices"));
    }

    proptest! {
        #[test]
        fn a_key_is_its_own_key(name in "\\PC{0,20}") {
            prop_assert_eq!(key(&key(&name)), key(&name));
        }
    }
}
