//! Names that options give are checked first: code 2, with the nearest name.

use serde_json::json;

use crate::once::still_world;
use crate::simulated::Simulated;
use crate::workplace::Workplace;

/// A command and what its error says.
const WRONG: &[(&[&str], &str)] = &[
    (&["replay", "--sink", "consol"], "there is no sink `consol`: did you mean `console`?"),
    (&["dead-letters", "list", "--sink", "nope"], "there is no sink `nope`: known: "),
    (&["dead-letters", "replay", "--sink", "consoel"], "did you mean `console`?"),
    (&["dead-letters", "drop", "--sink", "consoel"], "did you mean `console`?"),
    (&["verify", "--sink", "consoel"], "did you mean `console`?"),
    (&["tail", "--no-follow", "--account", "acne"], "there is no account `acne`: did you mean `acme`?"),
    (&["tail", "--no-follow", "--org", "nosuch"], "there is no organization `nosuch`: known"),
    (&["replay", "--sink", "console", "--org", "nosuch"], "there is no organization `nosuch`: known"),
    (&["fetch", "sites", "--account", "acne"], "did you mean `acme`?"),
    (&["run", "--once", "--accept-user-activity-org", "acne"], "did you mean `acme`?"),
];

#[test]
fn a_name_that_nothing_has_is_a_usage_error_with_the_nearest_name() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    assert!(place.run(&["run", "--once"]).status.success());
    for (command, text) in WRONG {
        let output = place.run(command);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command:?}: {error}");
        assert!(error.contains(text), "{command:?}: {error}");
        assert!(output.stdout.is_empty(), "{command:?}");
    }
}

#[test]
fn an_empty_result_says_so_on_stderr() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    assert!(place.run(&["run", "--once"]).status.success());
    for (command, text) in [
        (vec!["dead-letters", "list", "--json"], "there is no dead letter"),
        (vec!["tail", "--no-follow", "--since", "2099-01-01T00:00:00Z"], "no event in the journal fits"),
    ] {
        let output = place.run(&command);
        assert!(output.status.success() && output.stdout.is_empty(), "{command:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(text), "{command:?}");
    }
}

#[test]
fn a_list_without_records_is_reported_on_stderr() {
    let simulated = Simulated::start(&json!({
        "sites": 1, "devices": 0, "open_alerts": 0, "resolved_alerts": 0, "activity_history": 0,
        "alert_rate_per_hour": 0, "activity_rate_per_hour": 0
    }));
    let place = Workplace::new(&simulated, "");
    for (what, text) in [
        ("open-alerts", "nothing to print: the list of open alerts has no record"),
        ("activity", "nothing to print: the activity log has no record within that time"),
    ] {
        let output = place.run(&["fetch", what, "-c", "vintner.toml"]);
        assert!(output.status.success() && output.stdout.is_empty(), "{what}");
        assert!(String::from_utf8_lossy(&output.stderr).lines().any(|line| line == text), "{what}");
    }
}

#[test]
fn a_word_that_is_no_level_is_no_log_filter() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    let output = place.command(&["check"]).env("VINTNER_LOG", "loud").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("VINTNER_LOG = \"loud\": \"loud\" is no level"));
}

#[test]
fn the_version_names_what_a_report_needs() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    let long = String::from_utf8(place.run(&["--version"]).stdout).unwrap();
    let keys: Vec<&str> = long.lines().skip(1).map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(keys, ["commit", "target", "librdkafka", "journal schema"]);
    assert_eq!(place.run(&["-V"]).stdout, concat!("vintner ", env!("CARGO_PKG_VERSION"), "\n").as_bytes());
}

#[test]
fn a_log_filter_that_cannot_be_read_is_a_usage_error() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    let output = place.command(&["check"]).env("VINTNER_LOG", "vintner=loud").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("VINTNER_LOG = \"vintner=loud\""));
}

#[test]
fn the_configuration_is_found_by_variable_and_in_the_users_folder() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    let moved = place.path("elsewhere/vintner/vintner.toml");
    std::fs::create_dir_all(moved.parent().unwrap()).unwrap();
    std::fs::rename(place.path("vintner.toml"), &moved).unwrap();
    let none = place.command(&["check"]).env_remove("XDG_CONFIG_HOME").env("HOME", "/nowhere").output().unwrap();
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("/nowhere/.config/vintner/vintner.toml"));
    let by_variable = place.command(&["check"]).env("VINTNER_CONFIG", &moved).output().unwrap();
    assert!(by_variable.status.success(), "{}", String::from_utf8_lossy(&by_variable.stderr));
    let of_user = place.command(&["check"]).env("XDG_CONFIG_HOME", place.path("elsewhere")).output().unwrap();
    assert!(of_user.status.success(), "{}", String::from_utf8_lossy(&of_user.stderr));
}
