//! Each bad configuration beside what is said of it: `tests/fixtures/config/<name>.toml` and `<name>.txt`.

use super::*;

/// The fixtures that are mapping or rule files of others.
const MAPPINGS: [&str; 2] = ["mapping-rules.toml", "lens-rules.toml"];

#[test]
fn bad_files_say_what_their_texts_tell() {
    let directory = package("tests/fixtures/config");
    let mut count = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let is_configuration = path.extension().is_some_and(|extension| extension == "toml");
        if !is_configuration || MAPPINGS.iter().any(|mapping| path.ends_with(mapping)) {
            continue;
        }
        let found = match load(&path) {
            Ok(loaded) => loaded.found,
            Err(found) => found,
        };
        let told = told(&found, directory.to_str().unwrap());
        let expected = path.with_extension("txt");
        assert_eq!(told, std::fs::read_to_string(&expected).unwrap_or_default(), "{}\n{told}", path.display());
        count += 1;
    }
    assert!(count >= 12, "{count}");
}

#[test]
#[ignore = "writes the texts beside the fixtures anew"]
fn regenerate_texts_of_bad_files() {
    let directory = package("tests/fixtures/config");
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        let is_configuration = path.extension().is_some_and(|extension| extension == "toml");
        if is_configuration && !MAPPINGS.iter().any(|mapping| path.ends_with(mapping)) {
            let found = load(&path).map_or_else(|found| found, |loaded| loaded.found);
            std::fs::write(path.with_extension("txt"), told(&found, directory.to_str().unwrap())).unwrap();
        }
    }
}

/// What is said of a file that is no text at all.
fn refusal(path: &Path) -> String {
    let found = load(path).unwrap_err();
    told(&found, path.parent().unwrap().to_str().unwrap())
}

#[test]
fn files_that_are_no_configuration_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::create_dir(path("dir.toml")).unwrap();
    std::fs::write(path("latin1.toml"), b"a = 1\n# caf\xe9\n").unwrap();
    std::fs::File::create(path("large.toml")).unwrap().set_len((64 << 20) + 1).unwrap();
    std::fs::write(path("empty.toml"), "").unwrap();
    assert_eq!(
        refusal(&path("none.toml")),
        "none.toml: error: cannot be read: No such file or directory (os error 2)\nhint: `vintner init` writes a configuration\n"
    );
    assert_eq!(
        refusal(&path("dir.toml")),
        "dir.toml: error: no file in this folder ends in .toml\nhint: every file of the folder that ends in .toml is a part of the configuration\n"
    );
    assert_eq!(
        refusal(&path("latin1.toml")),
        "latin1.toml: error: not UTF-8 text, from line 2 on\nhint: save it as UTF-8\n"
    );
    assert_eq!(refusal(&path("large.toml")), "large.toml: error: larger than 64 MiB: this is no configuration\n");
    assert!(refusal(&path("empty.toml")).contains("error: no account: there is nothing to collect"));
}

#[test]
fn deep_nesting_and_odd_texts_are_refused_in_words() {
    for text in ["x = ".to_owned() + &"[".repeat(100_000), "\0".into(), "[[[".into(), "a.".repeat(50_000), "=".into()] {
        let (_directory, loaded) = load_files(&[("vintner.toml", &text)]);
        assert!(loaded.is_err());
    }
}

/// Guarantees: the answer to a huge bad file is short, whether its problems stand on many lines or on one.
#[test]
fn huge_bad_files_get_a_short_answer() {
    let keys: String = (0..10_000).map(|n| format!("k{n} = 1\n")).collect();
    let line: String = (0..10_000).map(|n| format!("k{n}=1,")).collect();
    for text in
        [keys, format!("x = {{ {line} }}"), format!("[accounts.a]\nfilter = {{ {line} }}"), "=\n".repeat(100_000)]
    {
        let (_directory, loaded) = load_files(&[("vintner.toml", &text)]);
        let found = loaded.unwrap_err();
        assert!(found.len() <= 201 && told(&found, "").len() < 200_000, "{}", found.len());
    }
}

proptest::proptest! {
    /// Guarantees: no text makes the loader panic.
    #[test]
    fn any_text_is_answered(text in "([a-z]{1,8}|[\\[\\]{}=.,\"'\n #0-9-]|accounts|orgs|sinks|kafka|list|\\PC){0,40}") {
        let (_directory, _answered) = load_files(&[("vintner.toml", &text)]);
    }
}
