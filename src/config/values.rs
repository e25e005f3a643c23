//! Texts that mean a duration, a size, a word of a list, a name: each with a message that says what is expected.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use url::Url;

use crate::config::nearest::nearest;
use crate::net;

/// Why a text is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// Units of durations in descending order, in milliseconds.
const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// Units of sizes, in bytes.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];
/// Longest duration that makes sense anywhere: a hundred years.
const MAX_DURATION: Duration = Duration::from_secs(100 * 365 * 86_400);

impl Bad {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(crate) fn hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: Some(hint.into()) }
    }
}

/// A duration above zero: `"30s"`, `"1h30m"`, `"500ms"`; units d, h, m, s, ms, each at most once and the larger first.
pub(crate) fn duration(text: &str) -> Result<Duration, Bad> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let hint = if is_number {
        format!("add a unit: \"{text}s\", \"{text}m\" or \"{text}h\"")
    } else {
        "write it like \"30s\", \"5m\", \"1h30m\" or \"7d\"".to_owned()
    };
    let bad = || Bad::hint(format!("{text:?} is not a duration"), hint.as_str());
    let mut rest = text;
    let mut units = TIME_UNITS.iter();
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = split_number(rest).ok_or_else(bad)?;
        let unit_length = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(unit_length).ok_or_else(bad)?;
        let (_, milliseconds) = units.find(|(name, _)| *name == unit).ok_or_else(bad)?;
        total = number.checked_mul(*milliseconds).and_then(|part| total.checked_add(part)).ok_or_else(bad)?;
        rest = next;
    }
    let duration = Duration::from_millis(total);
    if duration.is_zero() {
        return Err(if text.is_empty() { bad() } else { Bad::new(format!("{text:?} is no time at all")) });
    }
    if duration > MAX_DURATION {
        return Err(Bad::new(format!("{text:?} is longer than a hundred years")));
    }
    Ok(duration)
}

/// A size above zero: `"10GiB"`, `"32MiB"`, `"1MB"`.
pub(crate) fn size(text: &str) -> Result<u64, Bad> {
    let bad = || Bad::hint(format!("{text:?} is not a size"), "write it like \"10GiB\", \"32MiB\" or \"1MB\"");
    let (number, unit) = split_number(text).ok_or_else(bad)?;
    let (_, bytes) = SIZE_UNITS.iter().find(|(name, _)| *name == unit.trim_start()).ok_or_else(bad)?;
    number.checked_mul(*bytes).filter(|size| *size > 0 && i64::try_from(*size).is_ok()).ok_or_else(bad)
}

/// One word of a list.
pub(crate) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, Bad> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let hint = nearest(text, known.iter().copied()).map(|near| format!("did you mean {near:?}?"));
    Err(Bad { message: format!("{text:?} is not one of {}", known.join(", ")), hint })
}

/// The name of an account or a sink.
pub(crate) fn name(text: &str) -> Result<(), Bad> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    check_name(text, 64, fits, "letters, digits, _ and -")
}

/// The id of an organization.
pub(crate) fn org_id(text: &str) -> Result<(), Bad> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    check_name(text, 100, fits, "letters, digits, ., _ and -")
}

/// The name of an environment variable.
pub(crate) fn variable(text: &str) -> Result<(), Bad> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let good = text.chars().all(fits) && text.chars().next().is_some_and(|first| !first.is_ascii_digit());
    if good { Ok(()) } else { Err(Bad::new("this is not the name of an environment variable")) }
}

/// An absolute http or https URL with a host, without user name, password and fragment.
pub(crate) fn web_url(text: &str) -> Result<Url, Bad> {
    // The text is never repeated: it may hold a password.
    let bad = |_| Bad::hint("this is not a URL", "write it like \"https://host\" or \"https://host:port\"");
    let url = Url::parse(text).map_err(bad)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Bad::new("a URL here must not hold a user name or a password"));
    }
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        let hint = "write http:// or https:// before host and port, like \"http://collector.example:4317\"";
        return Err(Bad::hint("this is not an http or https URL", hint));
    }
    if url.fragment().is_some() {
        return Err(Bad::new("a URL here has no fragment (#…)"));
    }
    Ok(url)
}

/// The host root of a gateway: the paths `/auth/…` and `/api/…` follow (datto-rmm-api.md section 1).
pub(crate) fn host_root(text: &str) -> Result<Url, Bad> {
    let url = web_url(text)?;
    if url.path() != "/" || url.query().is_some() {
        let hint = "give the host only: vintner adds /auth/… and /api/… itself";
        return Err(Bad::hint("`api_url` must not have a path or a query", hint));
    }
    if url.scheme() != "https" && !net::is_loopback(&url) {
        return Err(Bad::hint("plain http is for loopback hosts only", "use https://"));
    }
    Ok(url)
}

/// An address to listen on, `address:port`.
pub(crate) fn listen(text: &str) -> Result<SocketAddr, Bad> {
    let bad = |_| {
        let example =
            text.strip_prefix("localhost").map_or("127.0.0.1:9598".to_owned(), |port| format!("127.0.0.1{port}"));
        Bad::hint(format!("{text:?} is not an address to listen on"), format!("write it like {example:?}"))
    };
    text.parse().map_err(bad)
}

/// `host:port` of a Kafka broker.
pub(crate) fn broker(text: &str) -> Result<(), Bad> {
    let bad = || Bad::hint(format!("{text:?} is not a broker"), "write it like \"kafka-1.example:9092\"");
    let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
    let port_fits = port.parse::<u16>().is_ok_and(|port| port > 0) && !port.starts_with('+');
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_fits = match bracketed {
        Some(address) => address.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')),
    };
    if port_fits && host_fits { Ok(()) } else { Err(bad()) }
}

fn check_name(text: &str, longest: usize, fits: impl Fn(char) -> bool, allowed: &str) -> Result<(), Bad> {
    if text.is_empty() || text.len() > longest || !text.chars().all(fits) {
        let message = format!("{text:?} is not a name here");
        return Err(Bad::hint(message, format!("use 1 to {longest} characters: {allowed}")));
    }
    Ok(())
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_have_units() {
        let good = [("500ms", 500), ("30s", 30_000), ("1h30m", 5_400_000), ("7d", 604_800_000), ("1d1ms", 86_400_001)];
        for (text, milliseconds) in good {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        let bad = [
            "",
            "30",
            "s",
            "30 s",
            "-1s",
            "1.5h",
            "1s1m",
            "1m1m",
            "0s",
            "1w",
            "1S",
            "36501d",
            "18446744073709551616ms",
        ];
        for text in bad {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("10GiB", 10 << 30), ("32 MiB", 32 << 20), ("1MB", 1_000_000), ("7B", 7)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "10", "GiB", "1.5GiB", "0B", "10gib", "9999999TiB", "-1B"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_is_a_name_or_an_address() {
        let loopback = |text: &str| net::is_loopback(&Url::parse(text).unwrap());
        assert!(loopback("http://localhost:1") && loopback("http://127.9.9.9") && loopback("http://[::1]:1"));
        assert!(
            !loopback("http://localhost.example")
                && !loopback("http://127.0.0.1.example")
                && !loopback("http://10.0.0.1")
        );
    }

    proptest! {
        #[test]
        fn a_written_duration_is_read_back(days in 0_u64..1_000, minutes in 0_u64..5_000, ms in 1_u64..5_000) {
            let expected = Duration::from_millis(days * 86_400_000 + minutes * 60_000 + ms);
            prop_assert_eq!(duration(&format!("{days}d{minutes}m{ms}ms")), Ok(expected));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,30}") {
            let _answers = (duration(&text), size(&text), broker(&text).is_ok(), web_url(&text).is_ok(), listen(&text).is_ok());
        }
    }
}
