//! Panics that tests plant: how one record, or one task, fails at one place.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

static PLANTED: Mutex<Option<HashMap<(&'static str, String), u32>>> = Mutex::new(None);

/// Makes the next `times` visits of `place` by `id` panic. Tests run side by side, so ids must be theirs alone.
pub(crate) fn plant(place: &'static str, id: &str, times: u32) {
    let mut planted = PLANTED.lock().unwrap_or_else(PoisonError::into_inner);
    planted.get_or_insert_default().insert((place, id.to_owned()), times);
}

/// Panics if a test planted that; the message quotes the id, as a careless one quotes a record.
pub(crate) fn visit(place: &'static str, id: &str) {
    let mut planted = PLANTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(left) = planted.as_mut().and_then(|planted| planted.get_mut(&(place, id.to_owned())))
        && *left > 0
    {
        *left -= 1;
        drop(planted);
        panic!("planted for {id}");
    }
}
