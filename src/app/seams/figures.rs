//! What happened in simulations, in numbers.

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

/// Counts of one simulation, or of many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) seeds: u64,
    pub(crate) simulated: Duration,
    pub(crate) kills: u64,
    pub(crate) stops: u64,
    pub(crate) slow_clients: u64,
    pub(crate) reloads: u64,
    pub(crate) refused: u64,
    pub(crate) replaced: u64,
    pub(crate) faults: u64,
    pub(crate) stumbles: u64,
    pub(crate) panics: u64,
    pub(crate) jumps: u64,
    pub(crate) full: u64,
    pub(crate) shown: u64,
    pub(crate) events: u64,
    pub(crate) dead: u64,
    pub(crate) repeats: u64,
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.simulated += other.simulated;
        self.kills += other.kills;
        self.stops += other.stops;
        self.slow_clients += other.slow_clients;
        self.reloads += other.reloads;
        self.refused += other.refused;
        self.replaced += other.replaced;
        self.faults += other.faults;
        self.stumbles += other.stumbles;
        self.panics += other.panics;
        self.jumps += other.jumps;
        self.full += other.full;
        self.shown += other.shown;
        self.events += other.events;
        self.dead += other.dead;
        self.repeats += other.repeats;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seeds {}, simulated days {:.1}", self.seeds, self.simulated.as_secs_f64() / 86_400.0)?;
        writeln!(f, "kills {}, stops {} ({} with a slow client)", self.kills, self.stops, self.slow_clients)?;
        writeln!(f, "reloads in force {}, refused {}, sinks replaced {}", self.reloads, self.refused, self.replaced)?;
        writeln!(f, "faults of the API {}, stumbles of receivers {}", self.faults, self.stumbles)?;
        writeln!(f, "panics {}, clock jumps {}, full journals {}", self.panics, self.jumps, self.full)?;
        write!(
            f,
            "items shown {}, events {}, dead letters {}, repeats with equal ids {}",
            self.shown, self.events, self.dead, self.repeats
        )
    }
}
