//! What was there before the live part of a world began.

use std::time::Duration;

use crate::clock::Millis;
use crate::sim::alerts::Change;
use crate::sim::dice::{Topic, chance};
use crate::sim::life::{World, draw_change};

impl World {
    /// What was there before the start: resolved alerts, open alerts of every age, activity.
    pub(crate) fn write_history(&mut self) {
        let start = self.now;
        let span_ms = u64::from(self.options.history_days.max(1)).saturating_mul(86_400_000);
        let mut rng = self.dice.roll(Topic::Arrival, u64::MAX);
        let mut ages: Vec<u64> = (0..self.options.activity_history).map(|_| rng.u64(1..span_ms)).collect();
        ages.sort_unstable_by(|a, b| b.cmp(a));
        for age in ages {
            self.now = start.minus(Duration::from_millis(age));
            let subject = self.draw_subject(&mut rng);
            self.write_row(self.now, Duration::ZERO, subject);
        }
        self.write_alert_history(start, span_ms);
        self.now = start;
    }

    fn write_alert_history(&mut self, start: Millis, span_ms: u64) {
        let mut rng = self.dice.roll(Topic::Resolution, u64::MAX);
        let resolved = self.options.resolved_alerts as usize;
        let mut ends = vec![false; resolved.saturating_add(self.options.open_alerts as usize)];
        ends.iter_mut().take(resolved).for_each(|end| *end = true);
        rng.shuffle(&mut ends);
        let mut ages: Vec<u64> = ends.iter().map(|_| rng.u64(1000..span_ms)).collect();
        // Oldest first, so that the lists grow at their end.
        ages.sort_unstable_by(|a, b| b.cmp(a));
        for (age, end) in ages.into_iter().zip(ends) {
            let Some(device) = self.estate.draw_device(&mut rng) else { return };
            self.now = start.minus(Duration::from_millis(age));
            let Some(alert) = self.open_alert(device) else { continue };
            let mut later = self.now;
            if chance(&mut rng, 0.2) {
                later = start.minus(Duration::from_millis(rng.u64(0..age)));
                self.alerts.change(alert, later, draw_change(&mut rng));
            }
            if end {
                let left = start.since(later).as_millis() as u64;
                self.alerts.change(alert, later.plus(Duration::from_millis(rng.u64(0..=left))), Change::Resolved);
            }
        }
    }
}
