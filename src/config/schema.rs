//! The JSON Schema of the configuration, for editors. Made of `config/vintner.toml` by the test `regenerate_schemas_of_the_configuration`.
//! It knows keys, types and words; `vintner check` knows more.

/// The schema, as text.
pub const SCHEMA: &str = include_str!("../../schemas/config.json");
