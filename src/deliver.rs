//! From the journal to a sink: one deliverer per sink, each at its own position.

mod ahead;
pub mod batch;
pub mod retry;
pub mod route;
pub mod runner;
pub mod status;
#[cfg(test)]
pub(crate) mod testing;
pub mod transactional;
pub mod turns;

#[cfg(test)]
mod tests;
