//! `[lens]`: which rules mark what attackers do, and which users are vintner's own.

use toml::de::DeTable;

use crate::config::places::{At, Problems};
use crate::config::read::Section;
use crate::config::values::Bad;
use crate::normalize::lens::Lens;
use crate::normalize::lens::read;
use crate::normalize::lens::rule::Rule;

/// The path of the operator's rules, as written.
pub(crate) fn file(root: &Section<'_>) -> Option<String> {
    let section = root.section("lens")?;
    section.item("file")?.filled().map(str::to_owned)
}

/// The operator's rules; what is wrong with them is reported in their file, which is the `file`-th that was opened.
pub(crate) fn rules(table: &DeTable<'_>, file: usize, problems: &Problems) -> Vec<Rule> {
    let (rules, complaints) = read::rules(table);
    for complaint in complaints {
        problems.error(At::new(file, complaint.span), complaint.message, complaint.hint);
    }
    rules
}

/// Reads the section. Without it the shipped rules are in force; the operator's rules come before them.
pub(crate) fn read(section: Option<Section<'_>>, operator: Vec<Rule>) -> Lens {
    let Some(section) = section else { return Lens::shipped() };
    let flag = |key: &str| section.item(key).and_then(|item| item.flag()).unwrap_or(true);
    let (is_enabled, has_defaults) = (flag("enabled"), flag("defaults"));
    // Already read, to open the file.
    drop(section.item("file"));
    let users = section.item("api_users").and_then(|item| item.parse_list(user)).unwrap_or_default();
    section.finish();
    if !is_enabled {
        return Lens::default();
    }
    let base = if has_defaults { Lens::shipped() } else { Lens::default() };
    Lens { api_users: users, ..base.led_by(operator) }
}

/// The name of a portal user, as it is compared.
fn user(text: &str) -> Result<String, Bad> {
    if text.trim().is_empty() { Err(Bad::new("this must not be empty")) } else { Ok(text.trim().to_lowercase()) }
}
