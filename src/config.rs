//! The configuration: read leaf by leaf, with the place of every problem (contract.md section 2).
//!
//! [`load::load`] reads a file and reports all its problems at once. What it needs from outside, an environment and files
//! of secrets, is read later and through [`secrets::Environment`], so that a configuration can be checked anywhere.

mod check;
pub mod files;
mod folder;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod load;
mod mapping;
pub mod nearest;
mod places;
mod raw;
mod read;
pub mod schema;
pub mod secrets;
pub mod settings;
pub mod template;
mod text;
pub(crate) mod values;

#[cfg(test)]
mod tests;
