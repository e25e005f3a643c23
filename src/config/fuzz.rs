//! What the fuzz targets `configuration` and `csv` do with a file.

use std::path::Path;

use toml::de::DeTable;

use crate::config::load::from_text;
use crate::config::places::{At, MOST_TOLD, Problems};
use crate::config::read::{Section, root};
use crate::config::{check, mapping, text};
use crate::diagnostic::{Diagnostic, Severity};

/// A configuration is read, or refused with places that are in it. Files that it names beside it are not looked for in devices.
pub(crate) fn configuration(data: &[u8]) {
    let Ok(text) = text::decode(data.to_vec()) else { return };
    if ["/dev", "/proc", "/sys"].iter().any(|folder| text.contains(folder)) {
        return;
    }
    match from_text(Path::new("fuzz.toml"), &text) {
        Ok(loaded) => {
            loaded.unbuilt();
            judge(&loaded.found, &text);
        }
        Err(found) => {
            assert!(found.iter().any(|problem| problem.severity == Severity::Error), "refused without a reason");
            judge(&found, &text);
        }
    }
}

/// A mapping file becomes rules, or problems at places that are in it.
pub(crate) fn csv(data: &[u8]) {
    let Ok(text) = text::decode(data.to_vec()) else { return };
    let problems = Problems::default();
    let empty = DeTable::new();
    problems.open("fuzz.toml", "");
    let file = problems.open("orgs.csv", &text);
    let table = mapping::from_csv(&text, file, &problems);
    let root = Section::new(&problems, String::new(), At::new(0, 0..0), &empty);
    let section = Section::new(&problems, "orgs".into(), At::new(file, 0..0), &table);
    let config = root::read(root, Some(section), Vec::new());
    check::check(&config, &problems);
    judge(&problems.take(), &text);
}

/// Every problem can be printed, and stands in the file.
fn judge(found: &[Diagnostic], text: &str) {
    assert!(found.len() <= MOST_TOLD.saturating_add(1), "{} problems", found.len());
    let lines = text.split('\n').count();
    for problem in found {
        let printed = problem.to_string();
        assert!(printed.lines().all(|line| !line.chars().any(|c| c.is_control() && c != '\t')), "{printed:?}");
        if let Some(place) = &problem.place {
            assert!((1..=lines).contains(&place.line) && place.column >= 1 && place.width >= 1, "{problem:?}");
        }
    }
}
