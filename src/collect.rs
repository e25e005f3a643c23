//! From the API into the journal: one task per stream of an account, each the owner of its position.
//!
//! Collectors know no sink. They compare what a page shows with what the journal knows and commit the difference; nothing
//! comes back to them.

pub mod activity;
pub mod alerts;
pub mod changes;
pub mod count;
pub mod inventory;
pub mod item;
pub mod proof;
pub mod schedule;
pub mod sites;
pub mod source;
pub mod status;
pub mod unsettled;
pub mod walk;
