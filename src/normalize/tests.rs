//! Records in, events out: every event is judged by OCSF's own schema, and every source value must be found again.

mod contexts;
mod ecs;
mod golden;
mod hostile;
mod judge;
mod options;
mod property;
mod recover;
mod rules;
mod tenancy;
mod world;
