//! What the command line says and how it ends.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::once::still_world;
use crate::simulated::Simulated;
use crate::workplace::{Workplace, events, ids, wait_for};

#[test]
fn init_writes_a_configuration_that_check_accepts_and_never_overwrites() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    std::fs::remove_file(place.path("vintner.toml")).unwrap();
    let init = place.run(&["init", "--platform", "vidal", "--account", "acme"]);
    assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
    let check = place.run(&["check"]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    let written = std::fs::read(place.path("vintner.toml")).unwrap();
    let again = place.run(&["init"]);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(std::fs::read(place.path("vintner.toml")).unwrap(), written);
}

#[test]
fn check_reports_every_problem_with_its_place() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    place
        .configure("[journal]\nretian = \"7d\"\n[accounts.acme]\nplatform = \"merlo\"\napi_key = \"plain-key-0815\"\n");
    let check = place.run(&["check"]);
    let text = String::from_utf8_lossy(&check.stderr);
    assert_eq!(check.status.code(), Some(2), "{text}");
    for place in ["vintner.toml:2:1", "vintner.toml:4:12", "vintner.toml:5:11"] {
        assert!(text.contains(place), "{place}: {text}");
    }
    assert!(
        text.contains("retain") && text.contains("merlot") && text.contains("hint:") && text.contains('^'),
        "{text}"
    );
    assert!(!text.contains("plain-key-0815"), "a secret is printed: {text}");
    assert!(check.stdout.is_empty());
}

#[test]
fn check_online_logs_in_and_probes() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "[sinks.file.archive]\npath = \"no/such/folder/file\"\n");
    let check = place.run(&["check", "--online"]);
    let text = String::from_utf8_lossy(&check.stderr);
    assert_eq!(check.status.code(), Some(1), "{text}");
    assert!(text.contains("archive"), "{text}");
    assert!(simulated.get("/sim/requests")["logins"].as_u64().unwrap() >= 1);
}

#[test]
fn demo_ends_by_itself_with_ocsf_lines() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    let output = place.run(&["demo", "--events", "40", "--duration", "20s"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let events = events(&output.stdout);
    assert_eq!(events.len(), 40);
    assert!(events.iter().all(|event| event["metadata"]["version"] == "1.8.0"));
    assert!(ids(&events).values().all(|n| *n == 1));
    let left: Vec<_> = std::fs::read_dir(place.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["vintner.toml"], "the demo leaves nothing behind");
}

#[test]
fn fetch_prints_each_list() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    let count = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.env("VINTNER_API_URL", simulated.text("api_url"));
        command
            .env("VINTNER_API_KEY", simulated.text("api_key"))
            .env("VINTNER_API_SECRET", simulated.text("api_secret"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        events(&output.stdout)
    };
    assert_eq!(count(&["fetch", "open-alerts"]).len(), 700);
    assert_eq!(count(&["fetch", "resolved-alerts"]).len(), 600);
    assert_eq!(count(&["fetch", "sites"]).len(), 8);
    let documents = count(&["fetch", "sites", "--format", "ecs"]);
    assert!(documents.len() == 8 && documents.iter().all(|document| document["ecs"]["version"] == "9.4.0"));
    assert_eq!(count(&["fetch", "devices", "--format", "raw"]).len(), 60);
    assert!(count(&["fetch", "activity", "--since", "4d"]).len() > count(&["fetch", "activity"]).len());
    let text = serde_json::to_string(&count(&["fetch", "devices", "--format", "raw"])).unwrap();
    assert!(!text.contains("webRemoteUrl") && !text.contains("udf1\""), "secrets are stripped");
    assert!(!place.path("vintner.db").exists());
}

#[test]
fn status_orgs_and_dead_letters_read_the_journal() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "[admin]\nlisten = \"127.0.0.1:1\"\n");
    let status = place.run(&["status"]);
    assert_eq!(status.status.code(), Some(1), "there is no journal yet");
    assert!(!place.path("vintner.db").exists(), "looking creates nothing");
    let place = Workplace::new(&simulated, "");
    place.once();
    let status: Value = serde_json::from_slice(&place.run(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["sinks"][0]["backlog"], 0);
    let streams = status["accounts"][0]["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 3, "the journal knows the last passes: {status}");
    assert!(streams.iter().all(|stream| stream["last_pass"].is_number() && stream["state"] == "stopped"), "{status}");
    let drift = status["drift"].as_array().unwrap();
    assert!(drift.iter().all(|entry| entry["count"].as_u64() > Some(0) && entry["sample"].is_string()), "{drift:?}");
    let orgs = events(&place.run(&["orgs", "list", "--json"]).stdout);
    assert_eq!(orgs.iter().filter(|row| row["listed"] == true).count(), 8);
    assert!(place.run(&["dead-letters", "list"]).status.success());
    assert!(place.run(&["check", "--journal"]).status.success());
}

/// Guarantees: an event's id leads back to its record; a record on stdin needs no configuration, and its secrets stay unsaid.
#[test]
fn explain_finds_the_record_of_an_event_and_reads_one_from_stdin() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    let all = place.once();
    let event = all.iter().find(|event| event["class_uid"] == 2004).unwrap();
    let id = event["metadata"]["uid"].as_str().unwrap();
    let output = place.run(&["explain", id, "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let explained = &events(&output.stdout)[0];
    assert_eq!(explained["event_id"], id);
    let leaf = |path: &str| explained["leaves"].as_array().unwrap().iter().find(|leaf| leaf["path"] == path).unwrap();
    assert_eq!(leaf("severity_id")["from"], json!(["priority"]));
    assert_eq!(leaf("metadata.tenant_uid")["value"], event["metadata"]["tenant_uid"]);
    let table = place.run(&["explain", id]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("severity_id"));
    assert_eq!(place.run(&["explain", "00000000-0000-5000-8000-000000000000"]).status.code(), Some(1));
    assert_eq!(place.run(&["explain", "no-id"]).status.code(), Some(2));

    let record = r#"{"id":"r1","entity":"USER","category":"user","action":"create","date":1795214400.5,
        "details":"{\"data.user_id\":7,\"data.api_secret\":\"hunter2\"}"}"#;
    let mut child = place.command(&["explain"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(record.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("details.data.user_id"), "{text}");
    assert!(text.contains("removed: secrets: details.data.api_secret") && !text.contains("hunter2"), "{text}");
}

/// Guarantees: without a configuration the journal alone explains its events, and a record on stdin that names a site belongs to it.
#[test]
fn explain_needs_no_configuration() {
    let simulated = Simulated::start(&still_world());
    let orgs = "[orgs]\nunmapped = \"default\"\ndefault_org = \"msp\"\n";
    let place = Workplace::new(&simulated, orgs);
    let all = place.once();
    let event = all.iter().find(|event| event["class_uid"] == 2004).unwrap();
    assert_eq!(event["metadata"]["tenant_uid"], "msp");
    std::fs::remove_file(place.path("vintner.toml")).unwrap();
    let output = place.run(&["explain", event["metadata"]["uid"].as_str().unwrap(), "--json"]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains("no configuration") && log.contains("vintner.db"), "{log}");
    let explained = &events(&output.stdout)[0];
    let tenant = |explained: &Value| {
        let leaves = explained["leaves"].as_array().unwrap();
        leaves.iter().find(|leaf| leaf["path"] == "metadata.tenant_uid").unwrap()["value"].clone()
    };
    assert_eq!(tenant(explained), "msp", "as the mapping that was in force says");

    for (site, expected) in [(r#""siteUid":"s-1""#, "s-1"), (r#""siteName":"HQ""#, "unassigned")] {
        let record = format!(
            r#"{{"alertUid":"a1","priority":"High","timestamp":1795214400000,"alertSourceInfo":{{{site}}},
                "alertContext":{{"@class":"ping_ctx"}}}}"#
        );
        let mut child = place.command(&["explain", "--json"]);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(record.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{log}");
        assert_eq!(tenant(&events(&output.stdout)[0]), expected);
        assert!(log.contains("no configuration"), "{log}");
    }

    std::fs::remove_file(place.path("vintner.db")).unwrap();
    let output = place.run(&["explain", event["metadata"]["uid"].as_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "neither a configuration nor a journal");
}

#[test]
fn schema_prints_what_is_committed() {
    let simulated = Simulated::start(&json!({"sites": 1}));
    let place = Workplace::new(&simulated, "");
    let committed = |name: &str| std::fs::read(format!("{}/schemas/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    assert_eq!(place.run(&["schema", "--class", "2004"]).stdout, committed("events/detection_finding.json"));
    assert_eq!(place.run(&["schema", "--config"]).stdout, committed("config.json"));
    let all: Value = serde_json::from_slice(&place.run(&["schema"]).stdout).unwrap();
    assert_eq!(all["allOf"].as_array().unwrap().len(), 14);
    assert!(String::from_utf8_lossy(&place.run(&["schema", "--list"]).stdout).contains("tunnel_activity"));
    assert_eq!(place.run(&["schema", "--class", "malware"]).status.code(), Some(2));
}

#[test]
fn a_running_instance_answers_and_stops_on_a_signal() {
    let simulated = Simulated::start(&still_world());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Workplace::new(&simulated, &format!("[admin]\nlisten = \"{free}\"\n"));
    let mut child = place.spawn(&["run"], "out");
    let report = wait_for(Duration::from_secs(20), || {
        let report: Value = serde_json::from_slice(&place.run(&["status", "--json"]).stdout).ok()?;
        let streams = report["accounts"][0]["streams"].as_array()?;
        let done = streams.len() == 3 && streams.iter().all(|stream| stream["last_pass"].is_number());
        (done && report["sinks"][0]["backlog"] == 0).then_some(report)
    });
    assert!(report["started"].is_number(), "{report}");
    let second = place.run(&["run", "--once"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("in use"), "{}", String::from_utf8_lossy(&second.stderr));
    let killed = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let code = wait_for(Duration::from_secs(10), || child.try_wait().unwrap());
    assert_eq!(code.code(), Some(0));
    assert!(events(&std::fs::read(place.path("out")).unwrap()).len() > 1300);
}

/// Guarantees: a health check without an HTTP client can tell an instance that runs from one that delivers.
#[test]
fn status_check_ends_with_0_only_if_the_instance_is_live_or_ready() {
    let simulated = Simulated::start(&still_world());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let broken = "[sinks.file.archive]\npath = \"folder/events.ndjson\"\n";
    let place = Workplace::new(&simulated, &format!("{broken}[admin]\nlisten = \"{free}\"\n"));
    let check = |what: &str| place.run(&["status", "--check", what]);
    let nobody = check("live");
    assert_eq!((nobody.status.code(), nobody.stdout.len()), (Some(1), 0), "nothing runs yet");
    let mut child = place.spawn(&["run"], "out");
    wait_for(Duration::from_secs(20), || (check("live").status.code() == Some(0)).then_some(()));
    let reasons = wait_for(Duration::from_secs(20), || {
        let output = check("ready");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code() == Some(1) && text.starts_with("sink archive: ") && text.contains("os error 2"))
            .then_some(text)
    });
    assert_eq!(reasons.lines().count(), 1, "{reasons}");
    std::fs::create_dir(place.path("folder")).unwrap();
    let ready = wait_for(Duration::from_secs(60), || {
        let output = check("ready");
        (output.status.code() == Some(0)).then_some(output)
    });
    assert_eq!(ready.stdout, b"ready\n");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(check("live").status.code(), Some(1), "it is gone; the journal alone is no answer");

    let unasked = Workplace::new(&simulated, "").run(&["status", "--check", "live"]);
    assert_eq!(unasked.status.code(), Some(2), "without [admin] there is nobody to ask");
    assert_eq!(place.run(&["status", "--check", "healthy"]).status.code(), Some(2));
}

#[test]
fn usage_errors_end_with_2_and_help_goes_to_stdout() {
    let simulated = Simulated::start(&json!({"sites": 3}));
    let place = Workplace::new(&simulated, "");
    assert_eq!(place.run(&["frobnicate"]).status.code(), Some(2));
    let help = place.run(&["--help"]);
    assert!(help.status.success() && help.stderr.is_empty());
    for command in [
        "demo",
        "init",
        "check",
        "run",
        "fetch",
        "orgs",
        "status",
        "dead-letters",
        "explain",
        "schema",
        "simulate",
        "completions",
    ] {
        assert!(String::from_utf8_lossy(&help.stdout).contains(command), "{command}");
        assert!(place.run(&[command, "--help"]).status.success(), "{command}");
    }
    let missing = place.run(&["run", "-c", "nowhere.toml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(place.run(&["completions", "bash"]).status.success());
}

/// Guarantees: without a running instance `status` counts what waits for a sink that no instance has used yet.
#[test]
fn status_counts_what_waits_for_a_sink_that_was_never_used() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    let delivered = place.once().len();
    let config = std::fs::read_to_string(place.path("vintner.toml")).unwrap();
    let sink = |name: &str, more: &str| format!("[sinks.otlp.{name}]\nendpoint = \"http://127.0.0.1:1\"\n{more}\n");
    place.configure(&format!("{config}\n{}{}", sink("all", ""), sink("later", "from = \"now\"")));
    let report: Value = serde_json::from_slice(&place.run(&["status", "--json"]).stdout).unwrap();
    let backlog = |name: &str| {
        let sinks = report["sinks"].as_array().unwrap();
        sinks.iter().find(|sink| sink["name"] == name).unwrap()["backlog"].as_u64().unwrap()
    };
    assert!(backlog("all") >= delivered as u64, "{report}");
    assert_eq!(backlog("later"), 0);
}

#[test]
fn completions_know_the_names_of_the_configuration() {
    let simulated = Simulated::start(&json!({"sites": 1, "devices": 1}));
    let place =
        Workplace::new(&simulated, "[sinks.file.archive]\npath = \"out\"\n[orgs.list.contoso]\nsites = [\"A\"]\n");
    let candidates = |words: &[&str]| {
        let mut command = place.command(&["--", "vintner"]);
        let output = command.args(words).env("VINTNER_COMPLETE", "fish").output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(candidates(&["replay", "--sink", ""]), ["console", "archive"], "in the order of the file");
    assert_eq!(candidates(&["replay", "--sink", "a"]), ["archive"]);
    assert_eq!(candidates(&["tail", "--account", ""]), ["acme"]);
    assert_eq!(candidates(&["tail", "--org", ""]), ["contoso", "msp"]);
    std::fs::rename(place.path("vintner.toml"), place.path("other.toml")).unwrap();
    assert!(candidates(&["replay", "--sink", "a"]).is_empty());
    assert_eq!(candidates(&["replay", "-c", "other.toml", "--sink", "a"]), ["archive"]);
    assert!(candidates(&["ver"]).iter().any(|candidate| candidate.starts_with("verify")));
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = place.run(&["completions", shell]);
        let script = String::from_utf8(script.stdout).unwrap();
        assert!(script.contains("VINTNER_COMPLETE"), "{shell}: {script}");
    }
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let simulated = Simulated::start(&json!({"sites": 1, "devices": 1}));
    let place = Workplace::new(&simulated, "");
    let page = place.run(&["man"]);
    let page = String::from_utf8(page.stdout).unwrap();
    assert!(page.contains(".TH vintner 1") && page.contains("Exit codes") && !page.contains('\u{1b}'), "{page}");
    assert_eq!(place.run(&["man", "pages"]).status.code(), Some(0));
    for name in ["vintner", "vintner-run", "vintner-orgs-list", "vintner-dead-letters"] {
        let page = std::fs::read_to_string(place.path("pages").join(format!("{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH {name} 1")), "{page}");
    }
    let run = std::fs::read_to_string(place.path("pages").join("vintner-run.1")).unwrap();
    assert!(run.contains("Examples") && run.contains("collect and deliver until"), "{run}");
    std::fs::write(place.path("file"), "").unwrap();
    assert_eq!(place.run(&["man", "file"]).status.code(), Some(1), "a file is no folder");
}
