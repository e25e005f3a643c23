//! The shipped rules, and what is said of bad ones.

use std::collections::BTreeSet;

use toml::de::DeTable;

use super::rule::{Rule, Then};
use super::*;

fn read(text: &str) -> (Vec<Rule>, Vec<String>) {
    let (rules, complaints) = read::rules(DeTable::parse(text).unwrap().get_ref());
    let told = |complaint: read::Complaint| format!("{}: {}", &text[complaint.span], complaint.message);
    (rules, complaints.into_iter().map(told).collect())
}

/// Guarantees: what `Lens::shipped` leaves to a test.
#[test]
fn shipped_rules_are_good_and_tell_why() {
    let (rules, complaints) = read(DEFAULTS);
    assert_eq!(complaints, Vec::<String>::new());
    assert_eq!(Lens::shipped().rules, rules);
    assert!(rules.len() >= 25, "{}", rules.len());
    for rule in &rules {
        assert!(rule.reason.len() > 15 && rule.link.starts_with("https://"), "{}", rule.id);
        assert!(rule.techniques.iter().all(|technique| technique.version.is_some()), "{}", rule.id);
        assert!(
            rule.techniques.iter().all(|technique| technique.is_sub() == technique.parent.is_some()),
            "{}",
            rule.id
        );
    }
}

/// Guarantees: the page of the lens tells every rule with its techniques.
#[test]
fn the_page_tells_every_shipped_rule() {
    let page = include_str!("../../../docs/lens.md");
    for rule in Lens::shipped().rules {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{}` |", rule.id)));
        let row = row.unwrap_or_else(|| panic!("docs/lens.md lacks the rule {}", rule.id));
        assert!(rule.techniques.iter().all(|technique| row.contains(&technique.id)), "{row}");
        assert!(row.contains(&rule.link), "{row}");
    }
}

/// One id has one name everywhere, and it is ATT&CK's: those of version 19.
#[test]
fn techniques_carry_the_names_of_attack() {
    let shipped = Lens::shipped();
    let techniques = shipped.rules.iter().flat_map(|rule| &rule.techniques);
    let names: BTreeSet<(&str, &str)> = techniques.map(|t| (t.id.as_str(), t.name.as_str())).collect();
    let known = [
        ("T1053.005", "Scheduled Task"),
        ("T1059", "Command and Scripting Interpreter"),
        ("T1070", "Indicator Removal"),
        ("T1072", "Software Deployment Tools"),
        ("T1078.004", "Cloud Accounts"),
        ("T1098", "Account Manipulation"),
        ("T1098.001", "Additional Cloud Credentials"),
        ("T1098.003", "Additional Cloud Roles"),
        ("T1098.005", "Device Registration"),
        ("T1105", "Ingress Tool Transfer"),
        ("T1110", "Brute Force"),
        ("T1113", "Screen Capture"),
        ("T1136.001", "Local Account"),
        ("T1136.003", "Cloud Account"),
        ("T1219.002", "Remote Desktop Software"),
        ("T1486", "Data Encrypted for Impact"),
        ("T1531", "Account Access Removal"),
        ("T1543.003", "Windows Service"),
        ("T1556", "Modify Authentication Process"),
        ("T1556.006", "Multi-Factor Authentication"),
        ("T1685", "Disable or Modify Tools"),
        ("T1685.005", "Clear Windows Event Logs"),
    ];
    assert_eq!(names, BTreeSet::from(known));
    let tactics = shipped.rules.iter().flat_map(|rule| &rule.techniques).map(|technique| {
        let tactic = technique.tactic.as_ref().expect("every technique has its tactic");
        (tactic.id.as_str(), tactic.name.as_str())
    });
    let known = [
        ("TA0001", "Initial Access"),
        ("TA0002", "Execution"),
        ("TA0003", "Persistence"),
        ("TA0005", "Stealth"),
        ("TA0006", "Credential Access"),
        ("TA0009", "Collection"),
        ("TA0011", "Command and Control"),
        ("TA0040", "Impact"),
        ("TA0112", "Defense Impairment"),
    ];
    assert_eq!(tactics.collect::<BTreeSet<_>>(), BTreeSet::from(known));
}

#[test]
fn bad_rules_are_told_with_their_places() {
    let text = r#"
        atack_version = "19.0"
        [rules.a]
        category = "policy"
        techniques = ["T1072", "1072 Software", "T1098.1 x", "T1072 Software Deployment Tools", "TA2 Execution > T1072 x"]
        rank = "seldom"
        [rules.b]
        class = "ransomware_ctx"
        tags = { "datto.site_uid" = "x", "ok" = "" }
        [rules.c]
        stream = "alert"
        [rules.d]
        stream = "alerts"
        words = []
        by_api_user = "yes"
        tags = { a = "b" }
        [rules]
        e = 1
    "#
    .replace("[rules]\n        e = 1", "[rules.e]\nwords = 7\nlast = true");
    let (rules, complaints) = read(&text);
    assert!(rules.is_empty());
    let told: Vec<&str> = complaints.iter().map(String::as_str).collect();
    for expected in [
        "atack_version: unknown key `atack_version`",
        "\"T1072\": this is not a technique of MITRE ATT&CK",
        "\"1072 Software\": this is not a technique of MITRE ATT&CK",
        "\"T1098.1 x\": this is not a technique of MITRE ATT&CK",
        "\"TA2 Execution > T1072 x\": this is not a technique of MITRE ATT&CK",
        "\"seldom\": this is not one of \"rare\" and \"routine\"",
        "class: `class` says nothing about activity",
        "\"datto.site_uid\": a rule cannot set the tag \"datto.site_uid\"",
        "\"\": this must not be empty",
        "\"alert\": this is not one of \"activity\", \"alerts\" and \"inventory\"",
        "c: the rule `c` has no condition: it would fit every record",
        "c: the rule `c` does nothing",
        "[]: this list is empty, so that nothing would fit",
        "words: `words` says nothing about alerts",
        "\"yes\": this must be true or false",
        "7: this must be a text in quotes",
    ] {
        assert!(told.contains(&expected), "{expected}\n{told:#?}");
    }
}

#[test]
fn operator_rules_lead_replace_and_stop() {
    let (own, complaints) = read(
        "[rules.patching]\nuser = 'patch-*'\nlast = true\n[rules.job-run]\ncategory = 'job'\ntags = { mine = 'yes' }",
    );
    assert_eq!(complaints, Vec::<String>::new());
    assert_eq!(own[0].then, Then::Stop);
    let lens = Lens::shipped().led_by(own);
    assert_eq!(lens.rules.iter().filter(|rule| rule.id == "job-run").count(), 1);
    let hits = |user: &str| {
        let words = ["deployment".to_owned()];
        let facts = Facts {
            stream: Stream::Activity,
            entity: "device",
            category: "job",
            action: "deployment",
            words: &words,
            class: "",
            users: vec![user.to_owned()],
            details: &|_| Vec::new(),
        };
        lens.hits(&facts).into_iter().map(|rule| rule.id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(hits("patch-robot"), ["patching"]);
    assert_eq!(hits("jane.doe"), ["job-run"]);
}
