//! Records in, events out: every event is judged by OCSF's own schema, and every source value must be found again.

mod contexts;
mod ecs;
mod explain;
mod golden;
mod hostile;
mod inventory;
mod judge;
mod lens;
mod listed;
mod messages;
mod options;
mod pairs;
mod property;
mod recover;
mod rules;
mod schema;
mod sent;
mod spellings;
mod tenancy;
mod users;
mod world;
