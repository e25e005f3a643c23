//! IP addresses in every common spelling: with a port, in brackets, with a zone, mapped into IPv6, in lists as proxies write them.

use std::net::IpAddr;

/// Most addresses of one text that are looked at.
const MAX_ADDRESSES: usize = 20;
/// Longest spelling of one address: `[` 45 characters, a zone, `]:65535`.
const MAX_SPELLING: usize = 100;

/// One address, without the zone that names an interface of the machine that saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// As OCSF takes it; an IPv4 address mapped into IPv6 is that IPv4 address.
    pub(crate) ip: String,
    pub(crate) port: Option<u16>,
}

/// The addresses of a text in their order: one, or a list of them (`X-Forwarded-For`, `Forwarded`), other words passed over.
pub(crate) fn all(text: &str) -> impl Iterator<Item = Address> {
    text.split([',', ';', ' ', '\t', '\n']).filter_map(one).take(MAX_ADDRESSES)
}

/// The address that a text spells; `None` for anything else.
pub(crate) fn one(text: &str) -> Option<Address> {
    let text = text.trim_matches(['"', '\'', ' ']);
    let text = text.strip_prefix("for=").unwrap_or(text).trim_matches('"');
    if text.len() > MAX_SPELLING {
        return None;
    }
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':')?.parse().ok()?)),
        None => match text.split_once(':') {
            // Of several colons none is a port's.
            Some((host, port)) if !port.contains(':') => (host, Some(port.parse().ok()?)),
            _ => (text, None),
        },
    };
    let is_bracketed = text.starts_with('[');
    let (host, zone) = host.split_once('%').map_or((host, None), |(host, zone)| (host, Some(zone)));
    let ip: IpAddr = host.parse().ok()?;
    if zone.is_some_and(str::is_empty) || (zone.is_some() || is_bracketed) && ip.is_ipv4() {
        return None;
    }
    // Only IPv4 may stand before a port without brackets.
    if port.is_some() && !is_bracketed && ip.is_ipv6() {
        return None;
    }
    Some(Address { ip: spelled(ip, host), port })
}

/// The text as it is where it is plain.
fn spelled(ip: IpAddr, host: &str) -> String {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(|| host.to_owned(), |v4| v4.to_string()),
        IpAddr::V4(_) => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, SocketAddr};

    use super::*;

    fn read(text: &str) -> Vec<(String, Option<u16>)> {
        all(text).map(|address| (address.ip, address.port)).collect()
    }

    #[test]
    fn every_common_spelling_gives_ip_and_port() {
        for (text, ip, port) in [
            ("203.0.113.9", "203.0.113.9", None),
            ("203.0.113.9:443", "203.0.113.9", Some(443)),
            ("2001:db8::5", "2001:db8::5", None),
            ("[2001:db8::5]", "2001:db8::5", None),
            ("[2001:db8::5]:443", "2001:db8::5", Some(443)),
            ("fe80::1%eth0", "fe80::1", None),
            ("[fe80::1%25eth0]:22", "fe80::1", Some(22)),
            ("::ffff:203.0.113.9", "203.0.113.9", None),
            ("[::ffff:203.0.113.9]:8443", "203.0.113.9", Some(8443)),
            ("::ffff:cb00:7109", "203.0.113.9", None),
            ("\"[2001:db8::5]:443\"", "2001:db8::5", Some(443)),
            ("for=203.0.113.9:80", "203.0.113.9", Some(80)),
            ("for=\"[2001:db8::5]\"", "2001:db8::5", None),
        ] {
            assert_eq!(read(text), [(ip.to_owned(), port)], "{text}");
        }
        let list = "junk, 203.0.113.9:443;[2001:db8::5]:443 10.0.0.1";
        let ips: Vec<String> = read(list).into_iter().map(|(ip, _)| ip).collect();
        assert_eq!(ips, ["203.0.113.9", "2001:db8::5", "10.0.0.1"]);
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in [
            "",
            "host",
            "host:443",
            "203.0.113",
            "203.0.113.9:",
            "203.0.113.9:70000",
            "203.0.113.9:44x",
            "[203.0.113.9]",
            "[2001:db8::5",
            "2001:db8::5]:443",
            "[2001:db8::5]443",
            "203.0.113.9%eth0",
            "fe80::1%",
            "1.2.3.4:5:6",
            "for=",
        ] {
            assert_eq!(read(text), [], "{text}");
        }
        assert_eq!(read(&"1.1.1.1,".repeat(1000)).len(), MAX_ADDRESSES);
    }

    proptest::proptest! {
        #[test]
        fn what_the_standard_library_writes_is_read(bits: u128, small: u32, port: u16, is_v6: bool) {
            let ip = if is_v6 { IpAddr::V6(Ipv6Addr::from_bits(bits)) } else { IpAddr::from(small.to_be_bytes()) };
            let plain = ip.to_canonical().to_string();
            let read = one(&SocketAddr::new(ip, port).to_string());
            proptest::prop_assert_eq!(read, Some(Address { ip: plain.clone(), port: Some(port) }));
            proptest::prop_assert_eq!(one(&ip.to_string()), Some(Address { ip: plain, port: None }));
        }

        #[test]
        fn no_text_panics_and_what_is_read_is_an_address(text in "[0-9a-f:.%\\[\\],; \"for=]{0,60}") {
            for address in all(&text) {
                proptest::prop_assert!(address.ip.parse::<IpAddr>().is_ok(), "{}", address.ip);
            }
        }
    }
}
