//! `vintner normalize`: records through a pipe.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn normalize(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vintner"));
    let command = command.arg("normalize").args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn alert(uid: &str) -> String {
    json!({"alertUid": uid, "priority": "High", "timestamp": 1_787_643_495_000_i64,
        "alertSourceInfo": {"siteUid": "s-1", "siteName": "One"}})
    .to_string()
}

#[test]
fn good_lines_become_events_and_a_bad_one_is_named_at_the_end_with_code_1() {
    let text = [alert("a"), "nonsense".to_owned(), alert("b")].join("\n");
    let output = normalize(&["--type", "alert", "-j", "3"], &text);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("line 2: it is not one JSON value") && stderr.contains("1 bad lines; 2 events"),
        "{stderr}"
    );
    let stdout = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.iter().map(|event| &event["finding_info"]["uid"]).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn every_kind_and_format_is_known_and_an_empty_input_is_no_error() {
    let device = json!({"uid": "d-1", "hostname": "PC", "siteUid": "s-1", "siteName": "One"}).to_string();
    let site = json!({"uid": "s-1", "name": "One"}).to_string();
    for (kind, record) in [("alert", alert("a")), ("device", device), ("site", site)] {
        for format in ["ocsf", "ecs", "raw"] {
            let output = normalize(&["--type", kind, "--format", format], &record);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1, "{kind} {format}");
        }
    }
    let nothing = normalize(&["--type", "activity"], "\n\n");
    assert!(nothing.status.success() && nothing.stdout.is_empty() && nothing.stderr.is_empty());
}
