//! What was measured, as a table: the best round of each, and the ratio to the raw client round by round.

use std::collections::BTreeMap;
use std::time::Duration;

/// Times of all rounds.
pub(crate) struct Table {
    count: usize,
    bytes: usize,
    /// In the order of their first round.
    names: Vec<String>,
    rows: BTreeMap<String, Row>,
}

#[derive(Default)]
struct Row {
    raw: Option<String>,
    rounds: Vec<Duration>,
}

impl Table {
    /// A table of runs over `count` events of `bytes` together.
    pub(crate) fn new(count: usize, bytes: usize) -> Self {
        Self { count, bytes, names: Vec::new(), rows: BTreeMap::new() }
    }

    /// One round of `name`; `raw` names the row that it is compared with.
    pub(crate) fn add(&mut self, name: &str, raw: Option<&str>, took: Duration) {
        if !self.rows.contains_key(name) {
            self.names.push(name.to_owned());
        }
        let row = self.rows.entry(name.to_owned()).or_default();
        row.raw = raw.map(str::to_owned);
        row.rounds.push(took);
    }

    pub(crate) fn print(&self) {
        println!("{:40} {:>12} {:>8} {:>8}", "best round", "records/s", "MB/s", "to raw");
        for name in &self.names {
            let Some(row) = self.rows.get(name) else { continue };
            let best = row.rounds.iter().min().map_or(f64::NAN, Duration::as_secs_f64);
            let (records, megabytes) = (self.count as f64 / best, self.bytes as f64 / best / 1e6);
            let ratio = self.ratio(row).map_or_else(String::new, |ratio| format!("{ratio:.2}"));
            println!("{name:40} {records:>12.0} {megabytes:>8.1} {ratio:>8}");
        }
    }

    /// The median over the rounds of raw time to own time: 1 is as fast as the raw client.
    fn ratio(&self, row: &Row) -> Option<f64> {
        let raw = self.rows.get(row.raw.as_ref()?)?;
        let mut ratios: Vec<f64> =
            raw.rounds.iter().zip(&row.rounds).map(|(raw, own)| raw.as_secs_f64() / own.as_secs_f64()).collect();
        ratios.sort_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied()
    }
}
