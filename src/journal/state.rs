//! The stored form of an alert's state: a few dozen bytes, since every change of an alert writes one.

use crate::clock::Millis;
use crate::journal::fail::{Done, Fail};
use crate::journal::{AlertState, Seen, Told};
use crate::record::place::SiteRef;

/// The layout's version, the first byte of every state.
const LAYOUT: u8 = 1;

/// The time that stands for none.
const NEVER: i64 = i64::MIN;

/// Layout: version, told, seen, updates and vanishings (4 bytes each, little endian), time of the last Close (8 bytes), tag of the site, length of its text (4 bytes), its text, digests.
pub(super) fn encode(state: &AlertState) -> Vec<u8> {
    let (tag, text) = match &state.site {
        SiteRef::None => (0, String::new()),
        SiteRef::Uid(uid) => (1, uid.clone()),
        SiteRef::Id(id) => (2, id.to_string()),
        SiteRef::Name(name) => (3, name.clone()),
        SiteRef::Device => (4, String::new()),
        SiteRef::Unknown => (5, String::new()),
    };
    let told = match state.told {
        Told::Nothing => 0,
        Told::Noted => 1,
        Told::Opened => 2,
        Told::Closed => 3,
    };
    let seen = match state.seen {
        Seen::Open => 0,
        Seen::Resolved => 1,
        Seen::Vanished => 2,
    };
    let mut bytes = vec![LAYOUT, told, seen];
    bytes.extend(state.updates.to_le_bytes());
    bytes.extend(state.vanishings.to_le_bytes());
    bytes.extend(state.closed_on.map_or(NEVER, Millis::as_i64).to_le_bytes());
    bytes.push(tag);
    bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(&state.digests);
    bytes
}

/// Reads what [`encode`] wrote.
pub(super) fn decode(bytes: &[u8]) -> Done<AlertState> {
    read(bytes).ok_or_else(|| Fail::damaged("the state of an alert cannot be read"))
}

fn read(bytes: &[u8]) -> Option<AlertState> {
    let (&[layout, told, seen], rest) = bytes.split_first_chunk()?;
    let (updates, rest) = rest.split_first_chunk()?;
    let (vanishings, rest) = rest.split_first_chunk()?;
    let (closed_on, rest) = rest.split_first_chunk()?;
    let (&tag, rest) = rest.split_first()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (text, digests) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    let text = std::str::from_utf8(text).ok()?;
    if layout != LAYOUT {
        return None;
    }
    let told = match told {
        0 => Told::Nothing,
        1 => Told::Noted,
        2 => Told::Opened,
        3 => Told::Closed,
        _ => return None,
    };
    let seen = match seen {
        0 => Seen::Open,
        1 => Seen::Resolved,
        2 => Seen::Vanished,
        _ => return None,
    };
    let site = match tag {
        0 => SiteRef::None,
        1 => SiteRef::Uid(text.to_owned()),
        2 => SiteRef::Id(text.parse().ok()?),
        3 => SiteRef::Name(text.to_owned()),
        4 => SiteRef::Device,
        5 => SiteRef::Unknown,
        _ => return None,
    };
    let closed_on = Some(i64::from_le_bytes(*closed_on)).filter(|time| *time != NEVER).map(Millis);
    let (updates, vanishings) = (u32::from_le_bytes(*updates), u32::from_le_bytes(*vanishings));
    Some(AlertState { told, seen, site, updates, closed_on, vanishings, digests: digests.to_vec() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_state() -> impl Strategy<Value = AlertState> {
        let told = prop_oneof![Just(Told::Nothing), Just(Told::Noted), Just(Told::Opened), Just(Told::Closed)];
        let seen = prop_oneof![Just(Seen::Open), Just(Seen::Resolved), Just(Seen::Vanished)];
        let site = prop_oneof![
            Just(SiteRef::None),
            ".*".prop_map(SiteRef::Uid),
            any::<i64>().prop_map(SiteRef::Id),
            ".*".prop_map(SiteRef::Name),
            Just(SiteRef::Device),
            Just(SiteRef::Unknown)
        ];
        let counts = (any::<u32>(), any::<u32>(), proptest::option::of(0..i64::MAX));
        (told, seen, site, counts, any::<Vec<u8>>()).prop_map(
            |(told, seen, site, (updates, vanishings, closed), digests)| AlertState {
                told,
                seen,
                site,
                updates,
                closed_on: closed.map(Millis),
                vanishings,
                digests,
            },
        )
    }

    proptest! {
        #[test]
        fn states_come_back(state in any_state()) {
            prop_assert_eq!(decode(&encode(&state)).unwrap(), state);
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            drop(decode(&bytes));
        }
    }

    #[test]
    fn a_usual_state_is_small() {
        let site = SiteRef::Uid("0f6c1d1e-7a43-4a2e-9c55-3d2f0f6b8a10".into());
        let (told, seen, digests) = (Told::Opened, Seen::Open, vec![7; 9 * 16]);
        let state = AlertState { told, seen, site, updates: 1, closed_on: None, vanishings: 0, digests };
        assert!(encode(&state).len() <= 216, "{}", encode(&state).len());
    }
}
