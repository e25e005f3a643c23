//! Which alerts became known as closed lately, whoever found out: a list, a look-up, or a hint from outside.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::journal::{AlertLook, Seen};

/// Closed alerts by the resolved pass during which, or after whose begin, they became known.
#[derive(Debug, Default)]
pub struct Closed(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Number of the pass that began last.
    pass: u64,
    since: HashMap<String, u64>,
}

impl Closed {
    /// A resolved pass begins; gives its number.
    pub fn begin(&self) -> u64 {
        self.with(|inner| {
            inner.pass += 1;
            inner.pass
        })
    }

    /// Notes those of `looks` that show a closed alert. To be called before and after they are stored: a pass that begins meanwhile
    /// may or may not find them known.
    pub fn note(&self, looks: &[AlertLook]) {
        self.with(|inner| {
            for look in looks.iter().filter(|look| look.told.seen != Seen::Open) {
                inner.since.insert(look.uid.clone(), inner.pass);
            }
        });
    }

    /// Whether a closed alert was known as closed when the pass `pass` began.
    pub fn was_known(&self, uid: &str, pass: u64) -> bool {
        self.with(|inner| inner.since.get(uid).is_none_or(|since| *since < pass))
    }

    /// The pass `pass` is complete: what was known when it began need not be remembered.
    pub fn complete(&self, pass: u64) {
        self.with(|inner| inner.since.retain(|_, since| *since >= pass));
    }

    fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
