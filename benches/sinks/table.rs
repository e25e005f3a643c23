//! What is printed: a row for each path, with the medians of its rounds.

use std::time::Duration;

use crate::mega;

/// The rounds of one path.
pub(crate) struct Row {
    path: String,
    records: usize,
    bytes: usize,
    ours: Vec<Duration>,
    floor: Vec<Duration>,
}

impl Row {
    pub(crate) fn new(path: &str, records: usize, bytes: usize) -> Self {
        Self { path: path.to_owned(), records, bytes, ours: Vec::new(), floor: Vec::new() }
    }

    /// One round: how long vintner took, and the floor.
    pub(crate) fn took(&mut self, ours: Duration, floor: Option<Duration>) {
        self.ours.push(ours);
        self.floor.extend(floor);
    }

    pub(crate) fn print(mut self) {
        let ours = median(&mut self.ours).expect("a round");
        let (records, megabytes) = self.rates(ours);
        print!("{:<34}{records:>10.0}{megabytes:>10.1}", self.path);
        match median(&mut self.floor) {
            Some(floor) => {
                let (records, megabytes) = self.rates(floor);
                let times = ours.as_secs_f64() / floor.as_secs_f64();
                println!("{records:>16.0}{megabytes:>12.1}{times:>14.1}");
            }
            None => println!(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    fn rates(&self, took: Duration) -> (f64, f64) {
        let seconds = took.as_secs_f64();
        (self.records as f64 / seconds, mega(self.bytes) / seconds)
    }
}

pub(crate) fn head() {
    let (path, records, megabytes) = ("path", "records/s", "MB/s");
    let (floor_records, floor_megabytes, times) = ("floor records/s", "floor MB/s", "to the floor");
    println!("{path:<34}{records:>10}{megabytes:>10}{floor_records:>16}{floor_megabytes:>12}{times:>14}");
}

fn median(all: &mut [Duration]) -> Option<Duration> {
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}
