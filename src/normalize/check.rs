//! Judges values that OCSF types strictly: what does not pass stays in `unmapped` (event-schema.md section 4).

use std::borrow::Cow;

use super::address::{self, Address};
use super::json::fields::Fields;
use super::notes::Notes;

/// Takes an IP address, perhaps with a port. One that is spelled otherwise than OCSF wants it, and each further one of a list, stays
/// too; anything else stays, with a note.
pub(crate) fn take_address(fields: &mut Fields<'_>, key: &str, notes: &mut Notes) -> Option<Address<'static>> {
    take_addresses(fields, key, notes).into_iter().next()
}

/// Like [`take_address`], but all of a list.
pub(crate) fn take_addresses(fields: &mut Fields<'_>, key: &str, notes: &mut Notes) -> Vec<Address<'static>> {
    let Some(value) = fields.get(key).filter(|value| !value.is_blank()) else { return Vec::new() };
    let addresses = address::list(value);
    match addresses.first() {
        None => fields.note(key, "not an IP address", notes),
        Some(first) if fields.peek(key).is_some_and(|text| first.is_all_of(&text)) => drop(fields.take(key)),
        Some(_) => {}
    }
    addresses
}

/// Takes an e-mail address; anything else stays, with a note.
pub(crate) fn take_email<'a>(fields: &mut Fields<'a>, key: &str, notes: &mut Notes) -> Option<Cow<'a, str>> {
    take_if(fields, key, is_email, "not an e-mail address", notes)
}

/// Takes a MAC address as `AA:BB:CC:DD:EE:FF`. One that Datto wrote otherwise stays too; anything else stays, with a note.
pub(crate) fn take_mac<'a>(fields: &mut Fields<'a>, key: &str, notes: &mut Notes) -> Option<Cow<'a, str>> {
    let text = fields.peek(key)?;
    let Some(mac) = mac(&text) else {
        fields.note(key, "not a MAC address", notes);
        return None;
    };
    if mac == text {
        fields.take(key);
    }
    Some(Cow::Owned(mac))
}

/// `AA:BB:CC:DD:EE:FF` from any usual spelling: colons, hyphens, dots or nothing between the digits.
fn mac(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-' | '.' | ' ')).collect();
    if digits.len() != 12 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let upper = digits.to_ascii_uppercase();
    let pairs: Vec<&str> =
        (0..6).filter_map(|n: usize| upper.get(n.checked_mul(2)?..).and_then(|s| s.get(..2))).collect();
    Some(pairs.join(":"))
}

/// Whether `text` is `local@host.tld` in the characters that OCSF's `email_t` takes.
fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.split_once('@') else { return false };
    let Some((name, rest)) = host.split_once('.') else { return false };
    let is_label = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !local.is_empty()
        && !name.is_empty()
        && !rest.is_empty()
        && local.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+,-./=?^_`{|}~".contains(c))
        && name.chars().all(is_label)
        && rest.chars().all(|c| is_label(c) || c == '.')
}

fn take_if<'a>(
    fields: &mut Fields<'a>,
    key: &str,
    judge: fn(&str) -> bool,
    complaint: &str,
    notes: &mut Notes,
) -> Option<Cow<'a, str>> {
    let text = fields.peek(key)?;
    if !judge(&text) {
        fields.note(key, complaint, notes);
        return None;
    }
    fields.take_text(key, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_e_mail_addresses() {
        assert!(is_email("jane.doe+x@northwind.example") && is_email("a@b.c"));
        for bad in ["jane", "jane@host", "@a.b", "a@.b", "a@b.", "a b@c.d", "a@b@c.d", "j\u{e9}@a.b"] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn brings_mac_addresses_to_one_form() {
        for text in ["00:15:5d:01:0a:1f", "00-15-5D-01-0A-1F", "0015.5d01.0a1f", "00155D010A1F"] {
            assert_eq!(mac(text).as_deref(), Some("00:15:5D:01:0A:1F"), "{text}");
        }
        for bad in ["", "00:15:5d:01:0a", "00:15:5d:01:0a:1g", "00:15:5d:01:0a:1f:00", "é0155D010A1"] {
            assert_eq!(mac(bad), None, "{bad}");
        }
    }
}
