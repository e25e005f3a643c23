//! Sinks: each has what its route says, or a dead letter says why not; what keeps the position has nothing twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::app::seams::draft;
use crate::app::seams::oracle::{Oracle, ids_of};
use crate::app::seams::orgs::Verdict;
use crate::app::seams::receiver::Arrival;
use crate::app::seams::run::Epoch;
use crate::event::Pivots;
use crate::journal::RefusedKind;
use crate::record::{EventId, Stream};

/// A record may be in the journal so long before an answer is known to have shown it, or a configuration to be in force.
const BEFORE: Duration = Duration::from_secs(60);

impl Oracle<'_> {
    /// The receiver that keeps the position has nothing twice.
    pub(super) fn exactly_once(&mut self) {
        let mut seen = BTreeSet::new();
        let of_exact = self
            .arrivals
            .iter()
            .filter(|arrival| ["exact", "once"].contains(&&*arrival.sink) && arrival.event.replay == 0);
        let twice: Vec<EventId> = of_exact
            .filter(|arrival| !seen.insert((&arrival.sink, arrival.event.id)))
            .map(|arrival| arrival.event.id)
            .collect();
        for id in twice {
            self.problem(format!("a receiver that keeps the position has the event {id} twice"));
        }
    }

    /// What one sink that takes everything has, the other has too, or a dead letter says why not; the others have what their routes say.
    pub(super) fn other_sinks(&mut self) {
        let has = self.has();
        let mut texts = Vec::new();
        let nothing = BTreeSet::new();
        for arrival in &self.arrivals {
            let pivots = &arrival.event.pivots;
            for sink in ["main", "exact"] {
                if has.get(sink).unwrap_or(&nothing).contains(&arrival.event.id) {
                    continue;
                }
                let site = pivots.site_uid.as_deref();
                let may_skip = self.may_be_missing(&pivots.account_uid, site, self.run.began);
                if !may_skip {
                    texts.push(format!(
                        "{} {} ({}) is at {} and not at {sink}",
                        pivots.stream.as_str(),
                        pivots.subject,
                        arrival.event.id,
                        arrival.sink
                    ));
                }
            }
            if !self.is_routed(arrival) {
                texts.push(format!(
                    "{} {} is at {} against its route",
                    pivots.stream.as_str(),
                    pivots.subject,
                    arrival.sink
                ));
            }
        }
        texts.into_iter().for_each(|text| self.problem(text));
    }

    /// Whether some configuration that may be in force routes the event there.
    fn is_routed(&self, arrival: &Arrival) -> bool {
        let pivots = &arrival.event.pivots;
        self.sites
            .epochs(arrival.began, arrival.began)
            .any(|epoch| epoch.draft.sinks.iter().any(|sink| sink.name == *arrival.sink && takes(sink, pivots)))
    }

    /// What each sink has, dead letters included.
    fn has(&self) -> BTreeMap<String, BTreeSet<EventId>> {
        let mut has: BTreeMap<String, BTreeSet<EventId>> = BTreeMap::new();
        for arrival in &self.arrivals {
            has.entry(arrival.sink.to_string()).or_default().insert(arrival.event.id);
        }
        for letter in &self.dead {
            let Some(sink) = &letter.sink else { continue };
            let ids = letter.event_id.into_iter().chain(letter.among.iter().copied());
            has.entry(sink.clone()).or_default().extend(ids);
        }
        for (sink, ids) in &self.lines {
            has.entry(sink.clone()).or_default().extend(ids);
        }
        has
    }

    /// A sink that was there all the time, with a route that takes an event whatever happened, has it.
    pub(super) fn complete(&mut self) {
        let has = self.has();
        let mut texts = Vec::new();
        let mut seen = BTreeSet::new();
        let main = self.arrivals.iter().filter(|arrival| &*arrival.sink == "main" && seen.insert(arrival.event.id));
        let main: Vec<&Arrival> = main.collect();
        for sink in self.run.draft.sinks.iter().filter(|sink| !["main", "exact"].contains(&sink.name.as_str())) {
            let nothing = BTreeSet::new();
            let own = has.get(&sink.name).unwrap_or(&nothing);
            for arrival in main.iter().filter(|arrival| !own.contains(&arrival.event.id)) {
                let pivots = &arrival.event.pivots;
                let shown = self.shown_of(&pivots.account_uid, &arrival.event.json).unwrap_or(arrival.began);
                let since = shown.min(arrival.began).checked_sub(BEFORE).unwrap_or(self.run.began);
                if self.must_have(&sink.name, pivots, since) {
                    texts.push(format!("{} {} is missing at {}", pivots.stream.as_str(), pivots.subject, sink.name));
                }
            }
        }
        texts.into_iter().for_each(|text| self.problem(text));
    }

    /// When the item of a raw event was first shown.
    fn shown_of(&self, account: &str, raw: &str) -> Option<Instant> {
        let line: Value = serde_json::from_str(raw).ok()?;
        let id = ["alertUid", "id", "uid"].iter().find_map(|key| line["record"][*key].as_str())?.to_owned();
        self.first_shown(account, &id)
    }

    fn must_have(&self, name: &str, pivots: &Pivots, since: Instant) -> bool {
        let now = Instant::now();
        let by_org = match &pivots.site_uid {
            None => pivots.stream != Stream::Activity,
            Some(site) => {
                let verdicts = self.sites.verdicts(&pivots.account_uid, site, since, now);
                verdicts == [Verdict::Org(pivots.tenant_uid.clone())].into()
            }
        };
        // It had a position before the record came.
        let is_named = |epoch: &Epoch| epoch.draft.sinks.iter().any(|sink| sink.name == name);
        let is_there = |epoch: &Epoch| epoch.draft.sinks.iter().any(|sink| sink.name == name && takes(sink, pivots));
        let was_there = self.run.epochs.first().is_some_and(is_there)
            || self.run.epochs.iter().any(|epoch| epoch.until.is_some_and(|until| until < since) && is_named(epoch));
        by_org && was_there && self.sites.epochs(since, now).all(is_there)
    }

    /// Dead letters say what was given up for a reason that there is.
    pub(super) fn dead_letters(&mut self) {
        let refused = self.run.receivers.refused();
        let mut texts = Vec::new();
        for letter in &self.dead {
            let ids = ids_of(letter);
            let is_right = match letter.kind {
                RefusedKind::Refused => {
                    let named = letter.event_id.into_iter().chain(letter.among.iter().copied());
                    let sink = letter.sink.clone().unwrap_or_default();
                    named.into_iter().any(|id| refused.contains(&(sink.clone(), id)))
                }
                RefusedKind::Unmappable => ids.iter().any(|id| self.is_planted(letter.account.as_str(), id)),
                RefusedKind::Malformed => {
                    ids.is_empty() || ids.iter().any(|id| self.is_planted(letter.account.as_str(), id))
                }
                RefusedKind::Unmapped => self.run.epochs.iter().any(|epoch| epoch.draft.orgs.is_some()),
            };
            if !is_right {
                texts.push(format!("a dead letter without a cause: {letter:?}"));
            }
        }
        texts.into_iter().for_each(|text| self.problem(text));
    }

    /// Reads what the real sinks wrote: files and standard output have whole lines, each an event that is known.
    pub(super) fn written(&mut self) {
        let may_skip =
            self.run.epochs.iter().any(|epoch| epoch.draft.orgs.as_ref().is_some_and(|orgs| !orgs.ignore.is_empty()));
        let known: BTreeSet<EventId> = self.has().into_values().flatten().collect();
        let mut texts: Vec<(String, Vec<u8>, bool)> = Vec::new();
        for entry in std::fs::read_dir(self.run.folder.path()).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".ndjson") {
                let is_current = name.matches('.').count() == 1;
                let sink = name.split('.').next().unwrap_or_default().to_owned();
                texts.push((sink, std::fs::read(entry.path()).unwrap(), is_current));
            }
        }
        let streams = self.run.receivers.streams();
        let last = streams.len();
        texts.extend(streams.into_iter().enumerate().map(|(n, bytes)| ("out".to_owned(), bytes, n + 1 == last)));
        for (sink, bytes, must_be_whole) in texts {
            let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
            // Nothing stands behind the last line end, unless the program was killed.
            let rest = lines.pop().unwrap_or_default();
            let is_there = self.run.draft.sinks.iter().any(|draft| draft.name == sink);
            if !rest.is_empty() && must_be_whole && is_there {
                self.problem(format!("{sink} ends with a torn line"));
            }
            for line in lines {
                match id_of(line) {
                    Some(id) if may_skip || known.contains(&id) => {
                        self.lines.entry(sink.clone()).or_default().insert(id);
                    }
                    Some(id) => self.problem(format!("{sink} has the event {id}, which nobody else has")),
                    None => self.problem(format!("{sink} has a torn line: {}", String::from_utf8_lossy(line))),
                }
            }
        }
    }
}

/// Whether a route takes an event, organizations apart if it names none.
fn takes(sink: &draft::Sink, pivots: &Pivots) -> bool {
    let by_stream = match &sink.streams {
        None => pivots.stream != Stream::Vintner,
        Some(streams) => streams.contains(&pivots.stream.as_str()),
    };
    let by_org = sink.orgs.as_ref().is_none_or(|orgs| orgs.contains(&pivots.tenant_uid));
    let least = match sink.min_severity {
        None => 0,
        Some("low") => 2,
        Some("medium") => 3,
        Some(_) => 4,
    };
    let is_known = (1..=6).contains(&pivots.severity_id);
    by_stream && by_org && (!is_known || pivots.severity_id >= least)
}

/// The event's id in a line of one of the formats.
fn id_of(line: &[u8]) -> Option<EventId> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let text = line["metadata"]["uid"].as_str().or(line["event"]["id"].as_str()).or(line["id"].as_str())?;
    Some(EventId(text.parse().ok()?))
}
