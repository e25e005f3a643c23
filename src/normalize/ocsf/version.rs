//! The version of OCSF, and the one place to change when it moves.
//!
//! Names in use here that OCSF 1.9 deprecates (event-schema.md section 2), so that moving is a table change: the classes
//! Account Change 3001 and User Access Management 3005 (both become `user_management` 3007, see `class.rs`),
//! `entity_management.entity_result` (becomes `updated_entity`, see `class.rs`) and `job.last_run_time` (see
//! `object/work.rs`). Already deprecated, and never used: `actor.app_name`, `actor.app_uid`, `actor.invoked_by`.

/// `metadata.version`.
pub(crate) const OCSF: &str = "1.8.0";

/// Version of the mapping itself, in `metadata.transformation_info_list`: raised when the same record makes another event.
pub(crate) const MAPPING: &str = "2";
