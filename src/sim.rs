//! The simulated Datto RMM: a living world behind the API of datto-rmm-api.md, with its limits, oddities and faults.
//!
//! Used by `vintner demo` in the process, by `vintner simulate` over loopback HTTP, and by simulations and acceptance
//! tests, which compare what came out with [`Sim::truth`]. It shares no model with the client: its JSON is made by hand, so
//! that one misreading cannot hide in both.

mod activity;
pub mod alerts;
mod auth;
mod call;
pub mod command;
mod control;
pub mod date;
mod dice;
mod estate;
pub mod failure;
pub mod fault;
mod ledger;
mod life;
mod list;
mod log;
mod names;
mod ordered;
mod page;
mod quota;
pub mod reply;
pub mod right;
mod route;
pub mod serve;
mod service;
mod shape;
#[cfg(test)]
mod tests;
pub mod traffic;
pub mod truth;
mod wire;
pub mod world;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::{Clock, Millis};
use crate::sim::command::{Applied, Command, CommandError};
use crate::sim::date::DateHeader;
use crate::sim::fault::{Faults, Rule};
use crate::sim::reply::Reply;
use crate::sim::service::Service;
use crate::sim::traffic::Traffic;
use crate::sim::truth::Truth;
use crate::sim::world::Options;

/// Every secret in the world's records contains this text, so that a test can look for it where it must not be.
pub const PLANTED: &str = "planted-secret";

/// A simulated platform with one account. Clones share it.
#[derive(Clone)]
pub struct Sim {
    clock: Clock,
    service: Arc<Mutex<Service>>,
}

/// A request to it. No `Debug`: it holds a token or a secret.
#[derive(Clone, Default)]
pub struct Request {
    /// HTTP method in capitals.
    pub method: String,
    /// Path and query as sent, e.g. `/api/v2/account/sites?page=1`.
    pub path_and_query: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The body.
    pub body: Vec<u8>,
    /// How the client addressed it, for absolute links, e.g. `http://127.0.0.1:1234`.
    pub host: String,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").finish_non_exhaustive()
    }
}

impl Sim {
    /// A world as `options` ask for, which lives by `clock` from now on.
    pub fn new(options: Options, clock: Clock) -> Self {
        let start = if options.start == Millis(0) { clock.now() } else { options.start };
        Self { clock, service: Arc::new(Mutex::new(Service::new(options, start))) }
    }

    /// Answers a request that arrives now. Does not wait: what takes time is told in the reply.
    pub fn handle(&self, request: &Request) -> Reply {
        let now = self.clock.now();
        self.lock().answer(request, now)
    }

    /// Everything that happened until now, and what answers have shown of it.
    pub fn truth(&self) -> Truth {
        self.current().truth()
    }

    /// What has been asked until now.
    pub fn traffic(&self) -> Traffic {
        self.lock().traffic()
    }

    /// Makes something happen now.
    pub fn apply(&self, command: &Command) -> Result<Applied, CommandError> {
        self.current().apply(command)
    }

    /// Replaces all faults.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().injector.replace(faults);
    }

    /// Adds faults.
    pub fn add_faults(&self, rules: Vec<Rule>) {
        self.lock().injector.add(rules);
    }

    /// Changes what the `Date` header of answers says.
    pub fn set_date(&self, date: DateHeader) {
        self.lock().set_date(date);
    }

    fn current(&self) -> MutexGuard<'_, Service> {
        let now = self.clock.now();
        let mut service = self.lock();
        service.advance(now);
        service
    }

    /// A panic while answering leaves a state that is still consistent enough to judge by, so the lock outlives it.
    fn lock(&self) -> MutexGuard<'_, Service> {
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
