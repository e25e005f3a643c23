//! `vintner tail`: new records of the journal, decided under the mapping in force at that moment and made to events as a sink
//! would get them. It only reads: it has no position, holds nothing back and acknowledges nothing.

use std::collections::BTreeMap;

use crate::app::AppError;
use crate::clock::{Clock, Millis};
use crate::deliver::batch::decide;
use crate::deliver::route::Route;
use crate::event::Event;
use crate::journal::sqlite::Journal;
use crate::journal::tail::{HeldRecord, HeldToo, Marks, Portion, Way};
use crate::journal::{Attempt, Item, Place, RefusedKind};
use crate::normalize::Options;
use crate::org::directory::{Decision, Directory};
use crate::record::{Envelope, Record};

/// What is shown.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Streams, organizations and severities, as of a sink.
    pub route: Route,
    /// The configured name of an account; `None`: all.
    pub account: Option<String>,
    /// Whether records that no organization may have are shown. Their organization is not known, so a wish for one leaves them out.
    pub held: HeldToo,
    /// Whether records that no event can be made of are shown.
    pub broken: BrokenToo,
}

/// Whether records that no event can be made of are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenToo {
    /// They are, as records.
    Yes,
    /// They are left out and counted.
    No,
}

/// Where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// With the last so many that are shown.
    Last(u64),
    /// With what was taken in at this time or later.
    Since(Millis),
}

/// A record that is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The record.
    pub record: Record,
    /// Where it lies; of a held record, `None`.
    pub place: Option<Place>,
    /// The configured name of its account; its uid if the journal knows no name.
    pub account: String,
    /// What it is shown as.
    pub what: What,
}

/// What a record is shown as.
#[derive(Clone, Debug)]
pub enum What {
    /// The event that a sink gets.
    Event(Box<Event>),
    /// No event can be made of it: why.
    Broken(String),
    /// No organization may have it: why.
    Held(String),
}

/// What one step shows.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// The records, in the order of their arrival.
    pub shown: Vec<Shown>,
    /// Records that were trimmed before they could be shown.
    pub missed: u64,
    /// Records left out since no event can be made of them.
    pub broken: u64,
    /// Nothing more is there now.
    pub is_end: bool,
}

/// A reader of the journal.
#[derive(Debug)]
pub struct Tail {
    journal: Journal,
    clock: Clock,
    options: Options,
    wanted: Wanted,
    marks: Marks,
    /// How many that would be shown lie between the marks and the first that is.
    skip: u64,
}

impl Tail {
    /// Finds the place to begin at. With [`Begin::Last`] the journal is read backwards until that many are found.
    pub async fn open(
        journal: Journal,
        clock: Clock,
        options: Options,
        wanted: Wanted,
        begin: Begin,
    ) -> Result<Self, AppError> {
        let marks = match begin {
            Begin::Since(since) => journal.marks_since(since, wanted.held).await?,
            Begin::Last(_) => journal.ends(wanted.held).await?,
        };
        let mut tail = Self { journal, clock, options, wanted, marks, skip: 0 };
        if let Begin::Last(lines) = begin {
            tail.go_back(lines).await?;
        }
        Ok(tail)
    }

    /// The next records; none if nothing is new.
    pub async fn step(&mut self) -> Result<Step, AppError> {
        let stretch = self.journal.stretch(self.marks.clone(), Way::Onwards, self.wanted.held).await?;
        let mut step = Step { missed: stretch.missed, is_end: stretch.is_end, ..Step::default() };
        for portion in stretch.portions {
            let (shown, broken) = self.look(portion);
            step.broken = step.broken.saturating_add(broken);
            step.shown.extend(shown);
        }
        let skipped = step.shown.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
        step.shown.drain(..skipped);
        self.skip = self.skip.saturating_sub(u64::try_from(skipped).unwrap_or(u64::MAX));
        self.marks = stretch.marks;
        Ok(step)
    }

    /// Moves the marks back until `lines` records that are shown lie behind them.
    async fn go_back(&mut self, lines: u64) -> Result<(), AppError> {
        let mut found: u64 = 0;
        while found < lines {
            let stretch = self.journal.stretch(self.marks.clone(), Way::Back, self.wanted.held).await?;
            for portion in stretch.portions {
                let (shown, _) = self.look(portion);
                found = found.saturating_add(u64::try_from(shown.len()).unwrap_or(u64::MAX));
            }
            self.marks = stretch.marks;
            if stretch.is_end {
                break;
            }
        }
        self.skip = found.saturating_sub(lines);
        Ok(())
    }

    /// What is shown of a portion, and how many records were left out since no event can be made of them.
    fn look(&self, portion: Portion) -> (Vec<Shown>, u64) {
        match portion {
            Portion::Lane(attempt) => self.look_at_lane(attempt),
            Portion::Held(held) => (self.look_at_held(*held).into_iter().collect(), 0),
        }
    }

    fn look_at_lane(&self, mut attempt: Attempt) -> (Vec<Shown>, u64) {
        let directory = attempt.directory.clone();
        attempt.items.retain(|item| self.names_account(&directory, &item.record.envelope));
        let batch = decide(&attempt, &self.wanted.route, &self.options, self.clock.now());
        let mut fates: BTreeMap<usize, What> = BTreeMap::new();
        fates.extend(batch.items.into_iter().zip(batch.events.into_iter().map(|event| What::Event(Box::new(event)))));
        let mut broken: u64 = 0;
        for (index, letter) in batch.dead {
            let what = match letter.kind {
                // Its site was unmapped since it was taken in.
                RefusedKind::Unmapped => What::Held(letter.reason),
                RefusedKind::Malformed | RefusedKind::Unmappable | RefusedKind::Refused => What::Broken(letter.reason),
            };
            let is_shown = match what {
                What::Held(_) => attempt.items.get(index).is_some_and(|item| self.shows_held(&item.record.envelope)),
                What::Broken(_) | What::Event(_) => self.wanted.broken == BrokenToo::Yes,
            };
            broken = broken.saturating_add(u64::from(!is_shown && matches!(what, What::Broken(_))));
            if is_shown {
                fates.insert(index, what);
            }
        }
        let items = attempt.items.into_iter().enumerate();
        let shown = items.filter_map(|(index, Item { place, record, .. })| {
            let account = account_name(&directory, &record.envelope);
            Some(Shown { what: fates.remove(&index)?, record, place: Some(place), account })
        });
        (shown.collect(), broken)
    }

    fn look_at_held(&self, held: HeldRecord) -> Option<Shown> {
        let HeldRecord { record, directory, .. } = held;
        let envelope = &record.envelope;
        if !self.names_account(&directory, envelope) || !self.shows_held(envelope) {
            return None;
        }
        let why = match directory.decide(&envelope.account, &envelope.site) {
            Decision::Held(why) => why,
            Decision::Org(_) | Decision::Ignored | Decision::Dropped => {
                "behind an older held record of the same alert".into()
            }
        };
        let account = account_name(&directory, envelope);
        Some(Shown { record, place: None, account, what: What::Held(why) })
    }

    fn names_account(&self, directory: &Directory, envelope: &Envelope) -> bool {
        self.wanted.account.as_ref().is_none_or(|wanted| *wanted == account_name(directory, envelope))
    }

    /// Whether a record without a known organization is shown. How severe it is is not known, which passes as with sinks.
    fn shows_held(&self, envelope: &Envelope) -> bool {
        let streams = self.wanted.route.streams.as_ref();
        self.wanted.held == HeldToo::Yes
            && self.wanted.route.orgs.is_none()
            && streams.is_none_or(|streams| streams.contains(&envelope.kind.stream()))
    }
}

fn account_name(directory: &Directory, envelope: &Envelope) -> String {
    let account = directory.account(&envelope.account);
    account.map_or_else(|| envelope.account.to_string(), |account| account.name.clone())
}
