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

/// What is said of a mapping file that is refused.
fn refused(name: &str, bytes: &[u8]) -> String {
    let config = CONFIG.replace("FILE", name);
    let (directory, _) = load_files(&[("vintner.toml", &config)]);
    std::fs::write(directory.path().join(name), bytes).unwrap();
    let found = load(&directory.path().join("vintner.toml")).map(drop).expect_err("it is taken");
    told(&found, directory.path().to_str().unwrap())
}

#[test]
fn two_columns_for_one_thing_are_an_error_that_names_both() {
    for (heading, one, other) in [
        ("company_id,client_id,name,site", "company_id", "client_id"),
        ("id,name,site,ID", "id", "ID"),
        ("id,name,Company Name,site", "name", "Company Name"),
        ("id,name,site_name,Site", "site_name", "Site"),
        ("id,name,site,label_tier,Label tier", "label_tier", "Label tier"),
        ("id,name,site,account,accounts", "account", "accounts"),
    ] {
        let cells = heading.replace(|c: char| c != ',', "x");
        let said = refused("orgs.csv", format!("{heading}\n{cells}\n").as_bytes());
        assert!(said.contains(&format!("`{one}` and `{other}`")), "{said}");
        assert!(said.contains("orgs.csv:1:"), "{said}");
    }
    let said = refused("orgs.json", br#"[{"company_id": "a", "client_id": "b", "name": "A", "site": "HQ"}]"#);
    assert!(said.contains("`company_id` and `client_id`"), "{said}");
}

#[test]
fn what_excel_and_powershell_put_before_the_heading_is_understood() {
    let expected = mapped("orgs.csv", "id,name,site\ncontoso,Contoso,\"HQ, old\"\n");
    for text in [
        "sep=;\nid;name;site\ncontoso;Contoso;HQ, old\n",
        "sep=|\r\nid|name|site\r\ncontoso|Contoso|HQ, old\r\n",
        "SEP=\t\nid\tname\tsite\ncontoso\tContoso\tHQ, old\n",
        "#TYPE System.Management.Automation.PSCustomObject\r\n\"id\",\"name\",\"site\"\r\n\"contoso\",\"Contoso\",\"HQ, old\"\r\n",
    ] {
        assert_eq!(mapped("orgs.csv", text), expected, "{text}");
    }
    // Places count from the beginning of the file.
    let said = refused("orgs.csv", b"sep=;\nid;name;site\na;A;HQ\na;B;Depot\n");
    assert!(said.contains("orgs.csv:4:3"), "{said}");
}

#[test]
fn a_file_in_utf_16_is_read_and_one_in_an_old_code_page_gets_a_hint() {
    let rows = "\u{feff}id,name,site\ncontoso,M\u{fc}ller,HQ\n";
    let config = CONFIG.replace("FILE", "orgs.csv");
    for bytes in [
        rows.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
        rows.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    ] {
        let (directory, _) = load_files(&[("vintner.toml", &config)]);
        std::fs::write(directory.path().join("orgs.csv"), &bytes).unwrap();
        let loaded = load(&directory.path().join("vintner.toml"));
        let loaded = loaded.unwrap_or_else(|found| panic!("{}", told(&found, "")));
        assert_eq!(loaded.config.policy.orgs.unwrap().list[0].name, "M\u{fc}ller");
    }
    let said = refused("orgs.csv", b"id,name,site\ncontoso,M\xfcller,HQ\n");
    assert!(said.contains("line 2") && said.contains("CSV UTF-8"), "{said}");
    assert!(!said.contains("relative path"), "{said}");
}
