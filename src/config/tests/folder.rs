//! A folder of files as one configuration.

use crate::config::load::load;

const ACCOUNT: &str =
    "[accounts.acme]\nplatform = \"vidal\"\napi_key = { env = \"K\" }\napi_secret = { env = \"S\" }\n";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn files_of_a_folder_are_one_configuration() {
    let folder = folder(&[
        ("10-accounts.toml", ACCOUNT),
        ("20-sinks.toml", "shutdown_timeout = \"9s\"\n[sinks.stdout.console]\n[orgs]\nfile = \"maps/orgs.toml\"\n"),
        ("30-poll.toml", "[accounts.acme.poll]\nalerts = \"5s\"\n"),
        ("maps/orgs.toml", "[list.contoso]\nsites = [\"A\"]\n"),
        (".hidden.toml", "nonsense"),
        ("notes.txt", "nonsense"),
    ]);
    let config = load(folder.path()).unwrap_or_else(|problems| panic!("{problems:?}")).config;
    assert_eq!((config.accounts.len(), config.sinks.len()), (1, 1));
    assert_eq!(config.shutdown_timeout.as_secs(), 9, "a key of its own may stand in any file");
    assert_eq!(config.accounts[0].poll.alerts.unwrap().as_secs(), 5, "a table may be split");
    assert!(config.policy.orgs.is_some(), "other files are beside the files of the folder");
}

#[test]
fn a_problem_is_shown_in_its_own_file() {
    let second = "# sinks\n[sinks.stdout.console]\n[accounts.acme]\nplatfrom = \"merlot\"\nplatform = \"merlot\"\n";
    let folder = folder(&[("a.toml", ACCOUNT), ("b.toml", second)]);
    let found = load(folder.path()).unwrap_err();
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    let name = |file: &str| folder.path().join(file).display().to_string();
    let double = shown.iter().find(|text| text.contains("already")).unwrap_or_else(|| panic!("{shown:?}"));
    assert!(double.contains(&format!("{}:5:1", name("b.toml"))), "{double}");
    assert!(double.contains(&format!("`accounts.acme.platform` stands at {}:2:1", name("a.toml"))), "{double}");
    let unknown = shown.iter().find(|text| text.contains("platfrom")).unwrap_or_else(|| panic!("{shown:?}"));
    assert!(unknown.contains(&format!("{}:4:1", name("b.toml"))) && unknown.contains("platfrom = "), "{unknown}");
}

#[test]
fn broken_and_missing_files_are_named() {
    let broken = folder(&[("a.toml", "[accounts"), ("b.toml", "x = ")]);
    let shown: String = load(broken.path()).unwrap_err().iter().map(ToString::to_string).collect();
    assert!(shown.contains("a.toml:1") && shown.contains("b.toml:1"), "{shown}");
    let empty = folder(&[]);
    let shown: String = load(empty.path()).unwrap_err().iter().map(ToString::to_string).collect();
    assert!(shown.contains("no file in this folder ends in .toml"), "{shown}");
}

/// Safety: a secret that somebody wrote into a second file is masked there too.
#[test]
fn a_bare_secret_is_not_shown_from_any_file() {
    let second = "[sinks.stdout.console]\n[accounts.lab]\nplatform = \"vidal\"\napi_key = \"hunter2\"\napi_secret = { env = \"S\" }\n";
    let folder = folder(&[("a.toml", ACCOUNT), ("b.toml", second)]);
    let shown: String = load(folder.path()).unwrap_err().iter().map(ToString::to_string).collect();
    assert!(shown.contains("b.toml:4") && !shown.contains("hunter2"), "{shown}");
}
