//! One mapping in its three forms.

use std::collections::BTreeMap;

use super::*;
use crate::org::Org;

const CONFIG: &str = r#"
[accounts.acme]
platform = "merlot"
api_key = { env = "K" }
api_secret = { env = "S" }

[orgs]
file = "FILE"

[sinks.stdout.console]
"#;

/// The organizations and the ignore list that a mapping file of this name and text means.
fn mapped(name: &str, text: &str) -> (Vec<Org>, Vec<String>) {
    let config = CONFIG.replace("FILE", name);
    let (directory, loaded) = load_files(&[("vintner.toml", &config), (name, text)]);
    let loaded = loaded.unwrap_or_else(|found| panic!("{}", told(&found, directory.path().to_str().unwrap())));
    let rules = loaded.config.policy.orgs.unwrap();
    (rules.list, rules.ignore)
}

fn expected() -> (Vec<Org>, Vec<String>) {
    let org = |id: &str, name: &str, sites: &[&str]| Org {
        id: id.into(),
        name: name.into(),
        accounts: None,
        sites: sites.iter().map(|site| (*site).to_owned()).collect(),
        labels: BTreeMap::new(),
    };
    let mut contoso = org("contoso", "Contoso, Ltd", &["8b1f6c2e-0d5a-4c3b-9a77-1f2e3d4c5b6a", "Contoso \"Old\" HQ"]);
    contoso.accounts = Some(vec!["acme".into()]);
    contoso.labels = BTreeMap::from([("tier".into(), "gold".into())]);
    (vec![contoso, org("29683", "Müller", &[])], vec!["Deleted Devices".into()])
}

const ROWS: &str = "Organization ID,Organization Name,Phone,Site Name,Site UID,Account,label_tier,Ignore\n\
    contoso,\"Contoso, Ltd\",1,Contoso HQ,8b1f6c2e-0d5a-4c3b-9a77-1f2e3d4c5b6a,acme,gold,\n\
    contoso,\"Contoso, Ltd\",,\"Contoso \"\"Old\"\" HQ\",,acme,,no\n\
    29683,Müller,\"two\nlines\",,,,,\n\
    \n\
    ,,,Deleted Devices,,,,yes\n";

#[test]
fn rows_of_a_spreadsheet_mean_what_tables_mean() {
    assert_eq!(mapped("orgs.csv", ROWS), expected());
    let windows = format!("\u{feff}{}", ROWS.replace('\n', "\r\n"));
    assert_eq!(mapped("orgs.CSV", &windows), expected());
    let semicolons = "id;name;site\ncontoso;Contoso, Ltd;HQ, Zürich\n";
    let (orgs, _) = mapped("orgs.csv", semicolons);
    assert_eq!((orgs[0].name.as_str(), orgs[0].sites[0].as_str()), ("Contoso, Ltd", "HQ, Zürich"));
    let tabs = mapped("orgs.csv", "org_id\tcompany\tsite\ncontoso\tContoso\tHQ; old, and new\n").0;
    assert_eq!(tabs[0].sites, ["HQ; old, and new"]);
}

#[test]
fn json_means_what_tables_mean() {
    let rows = r#"[
        {"Organization ID": "contoso", "name": "Contoso, Ltd", "sites": ["8b1f6c2e-0d5a-4c3b-9a77-1f2e3d4c5b6a"],
         "accounts": ["acme"], "labels": {"tier": "gold"}, "phone": {"home": 1}},
        {"org_id": "contoso", "site": "Contoso \"Old\" HQ", "name": null},
        {"id": 29683, "name": "M\u00fcller", "site": ""},
        {"site": "Deleted Devices", "ignore": true}
    ]"#;
    assert_eq!(mapped("orgs.json", rows), expected());
    assert_eq!(mapped("orgs.json", &format!("{{\"organizations\": {rows}}}")), expected());
    let tables = r#"{
        "list": {
            "contoso": {"name": "Contoso, Ltd", "accounts": ["acme"], "labels": {"tier": "gold"},
                        "sites": ["8b1f6c2e-0d5a-4c3b-9a77-1f2e3d4c5b6a", "Contoso \"Old\" HQ"]},
            "29683": {"name": "Müller"}
        },
        "ignore": {"sites": ["Deleted Devices"]}
    }"#;
    assert_eq!(mapped("orgs.json", tables), expected());
}

#[test]
fn no_text_panics_and_deep_ones_are_refused() {
    for (name, text) in [
        ("orgs.json", "[".repeat(200_000)),
        ("orgs.json", format!("{{\"list\":{}1{}}}", "{\"a\":".repeat(100), "}".repeat(100))),
        ("orgs.json", "\"\\ud800\"".into()),
        ("orgs.json", "{\"list\":{\"\\ud800\":{}}}".into()),
        ("orgs.json", String::new()),
        ("orgs.csv", String::new()),
        ("orgs.csv", "\"".into()),
        ("orgs.csv", "id\n\"a\"b\",c\"\"\"\n".into()),
        ("orgs.csv", "id,name\n,\u{0},\n\r\r\n".into()),
    ] {
        let config = CONFIG.replace("FILE", name);
        let (_directory, loaded) = load_files(&[("vintner.toml", &config), (name, &text)]);
        assert!(loaded.is_err(), "{name}: {}", text.chars().take(40).collect::<String>());
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_rows_are_read_or_refused(text in "[\\PC\n\r\t,;\"]{0,200}", is_json in proptest::bool::ANY) {
        let (name, text) = if is_json {
            ("orgs.json", format!("[{{\"id\":{:?}}},{text}]", text))
        } else {
            ("orgs.csv", format!("id,name,site\n{text}"))
        };
        let config = CONFIG.replace("FILE", name);
        let (_directory, loaded) = load_files(&[("vintner.toml", &config), (name, &text)]);
        if let Err(found) = loaded {
            proptest::prop_assert!(found.iter().any(|diagnostic| diagnostic.file.ends_with(name)));
        }
    }
}

/// Work grows with the rules and not with their square: ten thousand organizations that all claim one site and have one name are
/// read in the time of a test.
#[test]
fn many_organizations_are_read_however_they_clash() {
    let account = "[accounts.acme]\nplatform = \"merlot\"\napi_key = { env = \"K\" }\napi_secret = { env = \"S\" }\n";
    let mut clashing = format!("{account}[sinks.stdout.console]\n[orgs]\n");
    let mut distinct = clashing.clone();
    for n in 0..10_000 {
        clashing.push_str(&format!("[orgs.list.o{n}]\nname = \"Same\"\nsites = [\"HQ\"]\n"));
        distinct.push_str(&format!("[orgs.list.o{n}]\nname = \"Org {n}\"\nsites = [\"Site {n}\"]\n"));
    }
    let (_directory, loaded) = load_files(&[("vintner.toml", &clashing)]);
    let problems = loaded.unwrap_err();
    let claimed = "the site \"HQ\" is claimed by `o0` (";
    assert!(problems.iter().any(|problem| problem.to_string().contains(claimed)), "{}", problems[1]);
    let (_directory, loaded) = load_files(&[("vintner.toml", &distinct)]);
    assert_eq!(loaded.unwrap().config.policy.orgs.unwrap().list.len(), 10_000);
}
