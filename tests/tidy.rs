//! House rules that a compiler does not check: layers, sizes, module comments, words that must not be in the project.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// No source file is longer than this.
const MOST_LINES: usize = 500;

/// Top-level module → layer: those of architecture.md section 9, finer where one rests on another. A file imports its own module and strictly lower layers.
const LAYERS: &[(&str, u8)] = &[
    ("clock", 0),
    ("secret", 0),
    ("telemetry", 0),
    ("diagnostic", 0),
    ("output", 0),
    ("net", 0),
    ("record", 1),
    ("event", 2),
    ("inventory", 2),
    ("org", 3),
    // Above `org`: an event carries the organization of every site that its record names.
    ("normalize", 4),
    ("sink", 5),
    ("datto", 5),
    ("journal", 5),
    ("sim", 5),
    ("collect", 6),
    ("deliver", 6),
    ("admin", 7),
    ("config", 7),
    ("app", 8),
    ("fuzzing", 9),
    ("cli", 9),
    ("main", 9),
    ("lib", 9),
];

fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 3, "no sources below {folder}");
    found
}

fn module(path: &Path) -> String {
    let relative = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The top-level modules that a source names, as `crate::<module>` anywhere in its code.
fn named_modules(text: &str) -> Vec<String> {
    let mut named = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let line = line.replace("crate::{", "crate::");
        for part in line.split("crate::").skip(1) {
            named.push(part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    named
}

/// Every breach of the layering in one source.
fn breaches(own: &str, text: &str, layers: &BTreeMap<&str, u8>) -> Vec<String> {
    let Some(layer) = layers.get(own) else { return vec![format!("module `{own}` has no layer")] };
    named_modules(text)
        .into_iter()
        .filter(|other| other != own)
        .filter(|other| layers.get(other.as_str()).is_none_or(|below| below >= layer))
        .map(|other| format!("`{own}` (layer {layer}) names `{other}`"))
        .collect()
}

#[test]
fn files_import_strictly_lower_layers_only() {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut all = Vec::new();
    for path in sources("src") {
        let text = fs::read_to_string(&path).unwrap();
        all.extend(
            breaches(&module(&path), &text, &layers).into_iter().map(|breach| format!("{}: {breach}", path.display())),
        );
    }
    assert!(all.is_empty(), "layers (architecture.md section 9):\n{}", all.join("\n"));
}

#[test]
fn a_breach_of_the_layers_is_seen() {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    assert_eq!(breaches("collect", "use crate::sink::Sink;", &layers).len(), 0, "lower layers are allowed");
    assert_eq!(breaches("sink", "use crate::datto::Transport;", &layers), ["`sink` (layer 5) names `datto`"]);
    assert_eq!(breaches("sim", "let x = crate::datto::client::Client::new();", &layers).len(), 1);
    assert_eq!(breaches("normalize", "use crate::journal;", &layers).len(), 1);
}

/// Invariants as absences (architecture.md section 9).
#[test]
fn collectors_know_no_sink_and_deliverers_no_datto() {
    // What only tests compile may read its fixtures.
    let is_for_tests = |path: &PathBuf| ["tests", "generate"].iter().any(|name| path.to_string_lossy().contains(name));
    for path in sources("src").into_iter().filter(|path| !is_for_tests(path)) {
        let (module, text) = (module(&path), fs::read_to_string(&path).unwrap());
        let banned: &[&str] = match module.as_str() {
            "collect" => &["crate::sink", "crate::deliver"],
            "deliver" => &["crate::datto", "crate::collect"],
            "normalize" | "org" => &["std::fs", "TcpStream", "crate::clock::Clock", "fastrand", "tokio"],
            _ => &[],
        };
        for name in banned {
            assert!(!text.contains(name), "{} names {name}", path.display());
        }
    }
}

#[test]
fn files_are_small_and_say_what_they_are() {
    let mut wrong = Vec::new();
    for path in sources("src").into_iter().chain(sources("tests")) {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        if lines > MOST_LINES {
            wrong.push(format!("{}: {lines} lines, at most {MOST_LINES}", path.display()));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{}: does not begin with a `//!` sentence", path.display()));
        }
        if path.file_name().is_some_and(|name| name == "mod.rs") {
            wrong.push(format!("{}: no mod.rs", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_re_exported_or_left_undone() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!("), concat!("unimple", "mented!(")];
    let mut wrong = Vec::new();
    for path in sources("src") {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("pub use ") || marks.iter().any(|mark| line.contains(mark)) {
                wrong.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Keys of every JSON log line; `message` is the text itself.
const LOG_KEYS: [&str; 5] = ["timestamp", "level", "message", "target", "spans"];

/// The arguments of a macro call that begins behind its `(`, split at the commas of their own level. Texts are left out.
fn arguments(text: &str) -> Vec<String> {
    let (mut depth, mut in_text, mut is_escaped, mut parts) = (0_usize, false, false, vec![String::new()]);
    for c in text.chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if in_text => is_escaped = true,
            '"' => in_text = !in_text,
            _ if in_text => {}
            ')' if depth == 0 => break,
            ',' if depth == 0 => parts.push(String::new()),
            _ => {
                depth = match c {
                    '(' | '[' | '{' => depth + 1,
                    ')' | ']' | '}' => depth - 1,
                    _ => depth,
                };
                parts.last_mut().unwrap().push(c);
            }
        }
    }
    parts
}

/// The names of the fields of each log line in a source.
fn log_fields(text: &str) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    for level in ["trace", "debug", "info", "warn", "error"] {
        for call in text.split(&format!("tracing::{level}!(")).skip(1) {
            let fields = arguments(call).into_iter().map(|argument| {
                let name = argument.split('=').next().unwrap().trim();
                name.trim_start_matches(['%', '?']).trim().to_owned()
            });
            lines.push(fields.filter(|name| !name.is_empty()).collect());
        }
    }
    lines
}

fn clashes(fields: &[String]) -> Vec<&String> {
    let repeated = |name: &String| fields.iter().filter(|other| *other == name).count() > 1;
    fields.iter().filter(|name| LOG_KEYS.contains(&name.as_str()) || repeated(name)).collect()
}

#[test]
fn no_field_of_a_log_line_has_the_name_of_another_key() {
    let (mut all, mut wrong) = (0, Vec::new());
    for path in sources("src").into_iter().filter(|path| !path.ends_with("cli/logging/json.rs")) {
        for fields in log_fields(&fs::read_to_string(&path).unwrap()) {
            all += 1;
            wrong.extend(clashes(&fields).into_iter().map(|name| format!("{}: {name}", path.display())));
        }
    }
    assert!(all > 50, "only {all} log lines were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_field_that_clashes_is_seen() {
    let fields = |text: &str| log_fields(text).remove(0);
    let good = fields(r#"tracing::warn!(sink = self.name, %since, why = f(a, "b)"), "message, level")"#);
    assert_eq!(good, ["sink", "since", "why"]);
    assert!(clashes(&good).is_empty());
    for bad in ["message, \"x\"", "level = ?level, \"x\"", "a = 1, a = 2, \"x\"", "%target, \"x\""] {
        assert!(!clashes(&fields(&format!("tracing::info!({bad})"))).is_empty(), "{bad}");
    }
}

/// The path of a source's module as `cargo test` prints it; of the tests in `tests/it` with `it::` before it.
fn module_path(path: &Path) -> Vec<String> {
    let relative = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().with_extension("");
    let parts = relative.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    parts.skip_while(|part| part == "src" || part == "tests").filter(|part| part != "lib" && part != "main").collect()
}

/// The names of the tests in a source: functions with an attribute that makes them tests, with the module that they stand in.
fn tests_of(text: &str) -> Vec<String> {
    let (mut names, mut inner, mut is_test) = (Vec::new(), None, false);
    for line in text.lines() {
        let declared = line.trim_start_matches("pub(crate) ").strip_prefix("mod ");
        if let Some(name) = declared.and_then(|rest| rest.strip_suffix(" {")) {
            inner = Some(name);
        }
        if line == "}" {
            inner = None;
        }
        let line = line.trim_start();
        is_test |= line.starts_with("#[") && (line.contains("test]") || line.contains("test("));
        let name = line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
        if let Some(name) = name.filter(|_| std::mem::take(&mut is_test)) {
            names.push(inner.map_or_else(|| name.to_owned(), |inner| format!("{inner}::{name}")));
        }
    }
    names
}

/// What a page names as a test: code with `::` in it.
fn named_tests(page: &str) -> Vec<&str> {
    let is_path = |code: &&str| {
        code.contains("::") && code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:".contains(c))
    };
    page.split('`').skip(1).step_by(2).filter(is_path).collect()
}

#[test]
fn every_test_that_a_page_names_exists() {
    let mut all = BTreeSet::new();
    for path in sources("src").into_iter().chain(sources("tests/it")) {
        let module = module_path(&path);
        for name in tests_of(&fs::read_to_string(&path).unwrap()) {
            all.insert([module.join("::"), name].join("::"));
        }
    }
    assert!(all.len() > 900, "only {} tests were found", all.len());
    let mut missing = Vec::new();
    for (page, least) in [("docs/reliability.md", 100), ("docs/security.md", 20)] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let named = named_tests(&text);
        assert!(named.len() >= least, "{page} names only {} tests", named.len());
        missing.extend(named.into_iter().filter(|name| !all.contains(*name)).map(|name| format!("{page}: {name}")));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn a_test_is_known_by_its_attribute_and_its_module() {
    let source = "#[cfg(test)]\nmod tests {\n    fn helper() {}\n\n    /// Says.\n    #[tokio::test(start_paused = true)]\n    #[ignore = \"slow\"]\n    async fn one() {}\n}\n\n#[test]\nfn two() {}\n";
    assert_eq!(tests_of(source), ["tests::one", "two"]);
    assert_eq!(named_tests("| `a::b` and `x` | `c::d_1`, `E::F` |"), ["a::b", "c::d_1"]);
}
