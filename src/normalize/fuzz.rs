//! What the fuzz targets `time` and `address` do with a text.

use std::net::IpAddr;

use super::address::{self, Address};
use super::json::Json;
use super::time::{self, Moment};

/// A time lies between the years 2000 and 2100, and is read again from its own milliseconds.
pub(crate) fn time(text: &str) {
    if let Moment::At(ms) = time::parse(text) {
        assert!((946_684_800_000..4_102_444_800_000).contains(&ms), "{ms} of {text:?}");
        // Below this, a number of milliseconds is one of seconds.
        if ms > 9_999_999_999 {
            assert_eq!(time::parse(&ms.to_string()), Moment::At(ms), "{text:?}");
        }
    }
}

/// Whatever is taken for an address is one, in the form that schemas take.
pub(crate) fn address(text: &str) {
    let judge = |found: &Address<'_>| {
        assert!(found.ip.len() <= 40, "{found:?} of {text:?}");
        assert!(found.ip.parse::<IpAddr>().is_ok(), "{found:?} of {text:?}");
    };
    if let Some(found) = address::parse(text) {
        judge(&found);
    }
    let quoted = serde_json::Value::from(text).to_string();
    for json in [text, quoted.as_str()] {
        if let Ok(json) = Json::parse(json) {
            let found = address::list(json);
            assert!(found.len() <= 100, "{} addresses", found.len());
            found.iter().for_each(judge);
        }
    }
}
