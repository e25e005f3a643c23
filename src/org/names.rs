//! When two names are the same: exactly, after Unicode normalization and trimming (contract.md section 4).

use unicode_normalization::UnicodeNormalization;

/// The form in which names are compared: NFC, without surrounding white space. Case counts.
pub fn key(name: &str) -> String {
    name.trim().nfc().collect()
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
