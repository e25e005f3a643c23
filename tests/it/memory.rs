//! Memory stays bounded whatever the API answers: the highest resident size of the real program, under a limit of address space.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::simulated::Simulated;
use crate::workplace::{Workplace, account, alert_steps, events};

/// Address space that the program may take, 4 GiB, so that a fault harms the program and not the machine. What it really uses is far
/// less: the allocator reserves 64 MiB of it for each of its arenas.
const LIMIT_KIB: u64 = 4 << 20;
/// Size of the hostile part of a page. The default of `limits.max_body` is 32 MiB.
const BYTES: u64 = 29 << 20;

fn still_world() -> Value {
    json!({
        "seed": 840, "sites": 8, "devices": 12, "open_alerts": 9, "resolved_alerts": 9, "activity_history": 12,
        "alert_rate_per_hour": 0.0, "activity_rate_per_hour": 0.0, "update_rate_per_hour": 0.0,
        "resolve_rate_per_hour": 0.0, "inventory_rate_per_hour": 0.0
    })
}

/// `run --once` under the limit: its output, and its highest resident size in MiB.
fn measured(place: &Workplace) -> (Output, u64) {
    let program = place.command(&["run", "--once"]);
    let line = format!("ulimit -v {LIMIT_KIB}; exec {} run --once", program.get_program().to_str().expect("UTF-8"));
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &line]).current_dir(place.path(""));
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sh starts");
    let status = format!("/proc/{}/status", child.id());
    let (mut out, mut err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let out = std::thread::spawn(move || read(&mut out));
    let err = std::thread::spawn(move || read(&mut err));
    let mut most = 0;
    let status = loop {
        let now = std::fs::read_to_string(&status).unwrap_or_default();
        most = most.max(now.lines().find_map(high_water).unwrap_or(0));
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let (stdout, stderr) = (out.join().expect("read"), err.join().expect("read"));
    (Output { status, stdout, stderr }, most / 1024)
}

/// KiB of a line `VmHWM: 123 kB`.
fn high_water(line: &str) -> Option<u64> {
    line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok()
}

fn read(pipe: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    pipe.read_to_end(&mut bytes).expect("read");
    bytes
}

fn log(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_page_of_ten_million_tiny_items_is_refused_within_bounds() {
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    let rule = json!({"kind": "tiny_items", "path": "/api/v2/account/alerts/open", "bytes": BYTES});
    simulated.post("/sim/faults", &json!({ "rules": [rule] }));
    let (output, most) = measured(&place);
    assert_eq!(output.status.code(), Some(1), "{}", log(&output));
    let count = BYTES / 3;
    assert!(log(&output).contains(&format!("`alerts` has {count} items in one page")), "{}", log(&output));
    println!("tiny items: {most} MiB");
    assert!(most < 160, "{most} MiB");
}

#[test]
fn an_item_of_many_values_is_a_dead_letter_within_bounds() {
    for (kind, path) in [
        ("item_many_keys", "/api/v2/account/alerts/open"),
        ("item_deep", "/api/v2/account/alerts/resolved"),
        ("item_many_keys", "/api/v2/account/devices"),
        ("item_deep", "/api/v2/account/sites"),
        ("item_many_details", "/api/v2/activity-logs"),
    ] {
        let simulated = Simulated::start(&still_world());
        let place = Workplace::new(&simulated, "");
        // An item more, that is otherwise like the first: of its page only that is not taken.
        let mut rule = json!({"kind": kind, "path": path, "bytes": BYTES, "times": 1});
        if path.ends_with("activity-logs") {
            // Many of its windows have no row.
            rule["times"] = Value::Null;
        }
        simulated.post("/sim/faults", &json!({ "rules": [rule] }));
        let (output, most) = measured(&place);
        assert_eq!(output.status.code(), Some(0), "{kind} {path}: {}", log(&output));
        assert_eq!(alert_steps(&events(&output.stdout)).len(), 18, "{kind} {path}");
        let letters = events(&place.run(&["dead-letters", "list", "--json"]).stdout);
        let is_one = |letter: &Value| letter["reason"] == "more than 50000 values" && letter["kind"] == "malformed";
        assert!(!letters.is_empty() && letters.iter().all(is_one), "{kind} {path}: {} letters", letters.len());
        println!("{kind} {path}: {most} MiB");
        assert!(most < 256, "{kind} {path}: {most} MiB");
    }
}

/// An account of so many devices.
const DEVICES: usize = 500_000;

#[test]
#[ignore = "half a million devices: many minutes"]
fn half_a_million_devices_are_read_within_bounds() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    let simulated = Simulated::start(&still_world());
    let place = Workplace::new(&simulated, "");
    place.configure(&format!("{}\n[accounts.acme.limits]\nbudget = 1.0\n", account("acme", &url)));
    let began = std::time::Instant::now();
    let (output, most) = measured(&place);
    println!("{DEVICES} devices: {most} MiB, {:?}", began.elapsed());
    assert_eq!(output.status.code(), Some(0), "{}", log(&output));
    let devices = events(&output.stdout).iter().filter(|event| event["class_uid"] == 5001).count();
    assert_eq!(devices, DEVICES);
    assert!(most < 512, "{most} MiB");
}

/// One connection to an account that has one site, many devices and nothing else.
fn serve(stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
    let mut writer = stream;
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
            line.clear();
        }
        reader.read_exact(&mut vec![0; length]).expect("a body");
        let body = answer(first.split(' ').nth(1).unwrap_or_default());
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        if writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(body.as_bytes())).is_err() {
            return;
        }
    }
}

fn answer(target: &str) -> String {
    const SITE: &str = r#"{"id":7,"uid":"11111111-1111-4111-8111-111111111111","name":"HQ","onDemand":false}"#;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let page: usize =
        query.split('&').find_map(|pair| pair.strip_prefix("page=")).and_then(|page| page.parse().ok()).unwrap_or(0);
    let empty = |array: &str| format!(r#"{{"pageDetails":{{"count":0,"nextPageUrl":null}},"{array}":[]}}"#);
    match path {
        "/auth/oauth/token" => r#"{"access_token":"token","expires_in":360000}"#.to_owned(),
        "/api/v2/system/request_rate" => r#"{"accountCount":1,"accountRateLimit":1000000}"#.to_owned(),
        "/api/v2/account" => {
            format!(r#"{{"uid":"ab1c0002","name":"MSP","devicesStatus":{{"numberOfDevices":{DEVICES}}}}}"#)
        }
        "/api/v2/account/sites" => format!(r#"{{"pageDetails":{{"count":1,"totalCount":1}},"sites":[{SITE}]}}"#),
        "/api/v2/account/devices" => devices(page),
        "/api/v2/activity-logs" => empty("activities"),
        _ => empty("alerts"),
    }
}

fn devices(page: usize) -> String {
    let numbers = page * 250..((page + 1) * 250).min(DEVICES);
    let next = if numbers.end < DEVICES {
        format!("\"/api/v2/account/devices?max=250&page={}\"", page + 1)
    } else {
        "null".into()
    };
    let items: Vec<String> = numbers
        .map(|n| {
            format!(
                r#"{{"id":{n},"uid":"22222222-2222-4222-8222-{n:012}","siteUid":"11111111-1111-4111-8111-111111111111","siteName":"HQ","hostname":"HOST-{n}","deviceClass":"device","operatingSystem":"Microsoft Windows 11 Pro 10.0.26100","lastSeen":1795212000000,"online":true,"antivirus":{{"antivirusProduct":"Windows Defender","antivirusStatus":"RunningAndUpToDate"}},"patchManagement":{{"patchStatus":"FullyPatched"}}}}"#
            )
        })
        .collect();
    format!(r#"{{"pageDetails":{{"totalCount":{DEVICES},"nextPageUrl":{next}}},"devices":[{}]}}"#, items.join(","))
}
