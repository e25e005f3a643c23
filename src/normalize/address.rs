//! IP addresses in the spellings of proxies and sockets: with a port, in brackets, with a zone, as IPv4 within IPv6, in lists.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use super::json::{Json, Kind};

/// Texts of one list that are looked at.
const MAX_TEXTS: usize = 100;
/// Longest spelling of one address.
const MAX_TEXT: usize = 200;

/// An address and the port behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address<'a> {
    /// As OCSF and ECS take it: no port, brackets or zone; IPv4 for IPv4 within IPv6. Else as it was spelled.
    pub(crate) ip: Cow<'a, str>,
    /// Its port.
    pub(crate) port: Option<u16>,
}

impl Address<'_> {
    /// Whether it says all that `text` does.
    pub(crate) fn is_all_of(&self, text: &str) -> bool {
        self.port.is_none() && self.ip == text
    }
}

/// The address that `text` spells.
pub(crate) fn parse(text: &str) -> Option<Address<'_>> {
    let text = text.trim();
    if text.len() > MAX_TEXT {
        return None;
    }
    let text = unwrapped(text);
    if let Some(inner) = text.strip_prefix('[') {
        let (inner, after) = inner.split_once(']')?;
        return Some(Address { ip: ip(inner)?, port: port(after)? });
    }
    if let Some(ip) = ip(text) {
        return Some(Address { ip, port: None });
    }
    // Only IPv4 takes a port without brackets: in IPv6 it would be one more group.
    let (before, _) = text.split_once(':')?;
    let after = text.get(before.len()..).unwrap_or_default();
    let ip = ip(before).filter(|ip| !ip.contains(':'))?;
    Some(Address { ip, port: port(after)? })
}

/// The addresses that a value names, in order: a text, a list within a text (separated by commas, semicolons or white space), or a
/// list of texts.
pub(crate) fn list(value: Json<'_>) -> Vec<Address<'static>> {
    let texts: Vec<Cow<'_, str>> = match value.kind() {
        Kind::Array => value.items().take(MAX_TEXTS).filter_map(Json::string).collect(),
        Kind::String => value.string().into_iter().collect(),
        Kind::Null | Kind::Bool | Kind::Number(_) | Kind::Object => Vec::new(),
    };
    let separator = |c: char| matches!(c, ',' | ';') || c.is_whitespace();
    let parts = texts.iter().flat_map(|text| text.split(separator)).filter(|part| !part.is_empty()).take(MAX_TEXTS);
    parts.filter_map(|part| parse(part).map(owned)).collect()
}

fn owned(address: Address<'_>) -> Address<'static> {
    Address { ip: Cow::Owned(address.ip.into_owned()), port: address.port }
}

/// Without what is put around an address: quotes, `for=` of the header `Forwarded`, the slash that Java writes before it.
fn unwrapped(text: &str) -> &str {
    let named = text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("for="));
    let text = if named { text.get(4..).unwrap_or_default() } else { text };
    let text = text.strip_prefix('"').unwrap_or(text);
    let text = text.strip_suffix('"').unwrap_or(text);
    text.strip_prefix('/').unwrap_or(text)
}

/// An address alone, perhaps with a zone.
fn ip(text: &str) -> Option<Cow<'_, str>> {
    let (plain, zone) = text.split_once('%').map_or((text, None), |(plain, zone)| (plain, Some(zone)));
    let is_zone = |zone: &str| !zone.is_empty() && zone.chars().all(|c| !c.is_whitespace() && !"[]/,;".contains(c));
    match plain.parse::<IpAddr>().ok()? {
        IpAddr::V6(v6) => {
            let mapped = v6.to_ipv4_mapped().map(|v4| Cow::Owned(v4.to_string()));
            zone.is_none_or(is_zone).then(|| mapped.unwrap_or_else(|| shortened(plain, v6)))
        }
        IpAddr::V4(_) => zone.is_none().then_some(Cow::Borrowed(plain)),
    }
}

/// OCSF's `ip_t` takes no more than 40 characters; a longer spelling (with an IPv4 tail) is written anew.
fn shortened(text: &str, v6: Ipv6Addr) -> Cow<'_, str> {
    if text.len() <= 40 { Cow::Borrowed(text) } else { Cow::Owned(v6.to_string()) }
}

/// The port of `:443`; none of nothing, of a mere colon, and of one beyond 16 bits. `None` if something else stands there.
fn port(after: &str) -> Option<Option<u16>> {
    let Some(digits) = after.strip_prefix(':') else { return after.is_empty().then_some(None) };
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<(String, Option<u16>)> {
        parse(text).map(|address| (address.ip.into_owned(), address.port))
    }

    #[test]
    fn every_common_spelling_gives_address_and_port() {
        let cases = [
            ("203.0.113.9", "203.0.113.9", None),
            ("203.0.113.9:443", "203.0.113.9", Some(443)),
            ("[203.0.113.9]:443", "203.0.113.9", Some(443)),
            ("/203.0.113.9:443", "203.0.113.9", Some(443)),
            ("203.0.113.9:", "203.0.113.9", None),
            ("203.0.113.9:99999", "203.0.113.9", None),
            ("2001:db8::5", "2001:db8::5", None),
            ("2001:DB8::5", "2001:DB8::5", None),
            ("[2001:db8::5]", "2001:db8::5", None),
            ("[2001:db8::5]:443", "2001:db8::5", Some(443)),
            ("\"[2001:db8::5]:443\"", "2001:db8::5", Some(443)),
            ("for=\"[2001:db8::5]:443\"", "2001:db8::5", Some(443)),
            ("For=203.0.113.9", "203.0.113.9", None),
            ("fe80::1%eth0", "fe80::1", None),
            ("[fe80::1%25eth0]:80", "fe80::1", Some(80)),
            ("::ffff:203.0.113.9", "203.0.113.9", None),
            ("[::FFFF:cb00:7109]:1", "203.0.113.9", Some(1)),
            ("0000:0000:0000:0000:0001:ffff:255.255.255.255", "::1:ffff:ffff:ffff", None),
            (" ::1 ", "::1", None),
        ];
        for (text, ip, port) in cases {
            assert_eq!(read(text), Some((ip.to_owned(), port)), "{text}");
        }
        let others =
            ["", "unknown", "_hidden", "10.20.0", "10.20.0.5/8", "10.0.0.5:80:90", "1.2.3.4%eth0", "[::1", "[::1]x"];
        for text in others.into_iter().chain([
            "::1]:80",
            "fe80::1%",
            "host:80",
            "[]",
            "[::1]:a",
            "10.20.0.5:a",
            "::ffff:1.2.3.4.5",
        ]) {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_list_gives_its_addresses_in_order() {
        let of = |json: &str| {
            let addresses = list(Json::parse(json).unwrap());
            addresses.iter().map(|address| format!("{} {:?}", address.ip, address.port)).collect::<Vec<_>>()
        };
        let both = ["203.0.113.9 Some(443)", "10.0.0.1 None"];
        for text in [
            r#""203.0.113.9:443, 10.0.0.1""#,
            r#""203.0.113.9:443 10.0.0.1""#,
            r#""unknown, 203.0.113.9:443;10.0.0.1""#,
            r#"["203.0.113.9:443","-","10.0.0.1"]"#,
            r#""for=203.0.113.9:443;proto=https, for=10.0.0.1;by=x""#,
        ] {
            assert_eq!(of(text), both, "{text}");
        }
        assert!(of("7").is_empty() && of("null").is_empty() && of("{}").is_empty());
    }

    fn any_ip() -> impl Strategy<Value = IpAddr> {
        prop_oneof![any::<std::net::Ipv4Addr>().prop_map(IpAddr::V4), any::<Ipv6Addr>().prop_map(IpAddr::V6)]
    }

    proptest! {
        #[test]
        fn any_address_is_read_with_its_port(ip in any_ip(), port in any::<u16>(), zone in "[a-z0-9]{1,8}") {
            let expected = (ip.to_canonical().to_string(), Some(port));
            prop_assert_eq!(read(&format!("[{ip}]:{port}")), Some(expected.clone()));
            if ip.is_ipv4() {
                prop_assert_eq!(read(&format!("{ip}:{port}")), Some(expected));
            } else {
                prop_assert_eq!(read(&format!("{ip}%{zone}")), Some((ip.to_canonical().to_string(), None)));
            }
        }

        #[test]
        fn any_text_is_read(text in "\\PC{0,60}|[0-9a-f:.%/\\[\\]\", ;=for]{0,60}") {
            if let Some(address) = parse(&text) {
                prop_assert!(address.ip.len() <= 40 && address.ip.parse::<IpAddr>().is_ok(), "{:?}", address);
            }
        }
    }
}
