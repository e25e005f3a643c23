//! `vintner normalize` over threads: order, bad lines, organizations.

use std::io::Cursor;
use std::path::Path;

use serde_json::{Value, json};

use super::line::Mapper;
use super::{Totals, run};
use crate::app::fetch::What;
use crate::config::load;
use crate::normalize::Options;
use crate::output::descriptor::tests::Scripted;

/// An account with a mapping by name, a mapping by uid and an ignored site.
const CONFIG: &str = r#"
[accounts.acme]
platform = "merlot"
api_key = { env = "K" }
api_secret = { env = "S" }
user_activity_org = "msp"
[orgs.list.contoso]
name = "Contoso Ltd"
sites = ["Contoso HQ"]
[orgs.list.fabrikam]
name = "Fabrikam"
sites = ["5a0e3a1c-0000-4000-8000-000000000002"]
[orgs.ignore]
sites = ["Lab"]
[sinks.stdout.console]
"#;

fn alert(n: usize, site: &str, name: &str) -> String {
    let source = json!({"deviceUid": "d", "deviceName": "PC", "siteUid": site, "siteName": name});
    let context = json!({"@class": "online_offline_status_ctx", "status": "OFFLINE"});
    json!({"alertUid": format!("alert-{n:05}"), "priority": "High", "timestamp": 1_787_643_495_000_i64,
        "alertSourceInfo": source, "alertContext": context})
    .to_string()
}

fn row(site: Value) -> String {
    json!({"id": "r1", "entity": "DEVICE", "category": "device", "action": "move.device", "date": 1_787_645_215.44,
        "site": site, "deviceId": 7, "details": "{}"})
    .to_string()
}

fn account() -> Mapper {
    let config = load::from_text(Path::new("vintner.toml"), CONFIG).unwrap().config;
    Mapper::new(What::Activity, Options::default(), None).of_account(&config, None).unwrap()
}

/// The events of the lines, the bad ones by number and reason, and the totals.
fn normalized(mapper: Mapper, workers: usize, text: String) -> (Vec<Value>, Vec<(u64, String)>, Totals) {
    let mut output = Scripted::new([]);
    let mut bad = Vec::new();
    let report = |number, reason: &str| bad.push((number, reason.to_owned()));
    let totals = run(mapper, workers, Cursor::new(text.into_bytes()), &mut output, report).unwrap();
    let events = output.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (events, bad, totals)
}

fn tenants(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["metadata"]["tenant_uid"].as_str().unwrap()).collect()
}

#[test]
fn many_workers_keep_the_order_and_name_bad_lines_by_number() {
    let mut lines: Vec<String> = (0..3000).map(|n| alert(n, "site-1", "One")).collect();
    lines[700] = "{\"alertUid\":".to_owned();
    lines[1999] = json!({"priority": "High"}).to_string();
    lines.insert(2500, "   ".to_owned());
    let text = format!("\u{feff}{}", lines.join("\n"));
    for workers in [1, 5] {
        let mapper = Mapper::new(What::OpenAlerts, Options::default(), None);
        let (events, bad, totals) = normalized(mapper, workers, text.clone());
        let uids: Vec<&str> = events.iter().map(|event| event["finding_info"]["uid"].as_str().unwrap()).collect();
        let expected: Vec<String> =
            (0..3000).filter(|n| ![700, 1999].contains(n)).map(|n| format!("alert-{n:05}")).collect();
        assert_eq!(uids, expected, "{workers} workers");
        assert_eq!(bad.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [701, 2000]);
        assert!(bad[0].1.contains("not one JSON value") && bad[1].1.contains("alertUid"), "{bad:?}");
        assert_eq!(totals, Totals { events: 2998, bad: 2, left_out: 0 });
    }
}

#[test]
fn a_line_that_is_too_long_costs_only_itself() {
    let long = format!("{{\"alertUid\":\"{}\"}}", "x".repeat(5 << 20));
    let text = [alert(1, "s", "S"), long, alert(2, "s", "S")].join("\n");
    let (events, bad, _) = normalized(Mapper::new(What::OpenAlerts, Options::default(), None), 2, text);
    assert_eq!(events.len(), 2);
    assert_eq!(bad, [(2, "the line is longer than 4 MiB".to_owned())]);
}

#[test]
fn without_a_configuration_the_tenant_is_the_site_or_the_one_that_is_given() {
    let alerts = Mapper::new(What::OpenAlerts, Options::default(), Some("msp".to_owned()));
    let (events, ..) = normalized(alerts, 1, alert(1, "site-1", "One"));
    assert_eq!(tenants(&events), ["site-1"]);
    for (tenant, expected) in [(Some("msp".to_owned()), "msp"), (None, "unassigned")] {
        let rows = Mapper::new(What::Activity, Options::default(), tenant);
        let (events, ..) = normalized(rows, 1, row(json!({"id": 1, "name": "One"})));
        assert_eq!(tenants(&events), [expected]);
    }
}

#[test]
fn a_configuration_maps_every_site_that_a_record_names() {
    let rows = [
        row(json!({"id": 1, "name": "Contoso HQ"})),
        row(json!({"id": 2, "name": "Lab"})),
        row(json!({"id": 3, "name": "Nobody's"})),
        row(Value::Null),
        row(Value::Null).replace("\"deviceId\":7,", ""),
    ];
    let (events, bad, totals) = normalized(account(), 1, rows.join("\n"));
    assert_eq!((bad.len(), totals.left_out), (0, 2), "ignored, and held for want of an organization");
    assert_eq!(tenants(&events), ["contoso", "unassigned", "msp"]);
    assert!(!events[0].to_string().contains("id:1"), "the stand-in for the site's uid is in no event");
}
