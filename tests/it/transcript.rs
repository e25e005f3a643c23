//! What a person reads on the way from the demo to a running instance, at three widths of a terminal and in a pipe. The snapshots are
//! beside this file; times, ids, addresses and durations are masked. Text is shown without color; color has a test of its own.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::simulated::Simulated;
use crate::terminal::OnTerminal;
use crate::workplace::{Workplace, account};

/// Widths of terminals; `None` is a pipe.
const WIDTHS: [Option<u16>; 4] = [Some(80), Some(100), Some(140), None];

/// In which order lines are kept: streams are read side by side, so theirs varies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lines {
    AsTheyCome,
    Sorted,
}

/// What was typed and what was shown.
struct Transcript<'a> {
    place: &'a Workplace,
    columns: Option<u16>,
    text: String,
    /// The lines that were shown last.
    last: Vec<String>,
}

impl<'a> Transcript<'a> {
    fn new(place: &'a Workplace, columns: Option<u16>) -> Self {
        Self { place, columns, text: String::new(), last: Vec::new() }
    }

    /// Runs a command to its end.
    fn step(&mut self, arguments: &[&str], lines: Lines) -> &mut Self {
        let (shown, code) = run(self.command(arguments), self.columns);
        self.note(arguments, &shown, code, lines);
        self
    }

    /// Checks that the lines that were shown last fit the terminal.
    fn fits(&mut self) -> &mut Self {
        let most = self.columns.map_or(usize::MAX, usize::from);
        assert!(self.last.iter().all(|line| line.chars().count() <= most), "{most} columns: {:#?}", self.last);
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command(arguments);
        command.env("NO_COLOR", "1").env("XDG_CONFIG_HOME", self.place.path("home"));
        command
    }

    fn note(&mut self, arguments: &[&str], shown: &str, code: Option<i32>, lines: Lines) {
        let folder = self.place.path("").display().to_string();
        let shown = shown.replace(folder.trim_end_matches('/'), "[folder]");
        let mut shown: Vec<String> = shown.lines().map(|line| masked(&shortened(line))).collect();
        if lines == Lines::Sorted {
            shown.sort();
        }
        let code = code.map_or("a signal".to_owned(), |code| code.to_string());
        self.last = shown.clone();
        writeln!(self.text, "$ vintner {}\n{}\n[exit {code}]\n", arguments.join(" "), shown.join("\n")).unwrap();
    }

    /// Compares everything with the snapshot of this width.
    fn check(&self, name: &str) {
        let width = self.columns.map_or("pipe".to_owned(), |columns| columns.to_string());
        insta::assert_snapshot!(format!("{name}-{width}"), self.text.trim_end());
    }
}

fn run(mut command: Command, columns: Option<u16>) -> (String, Option<i32>) {
    match columns {
        Some(columns) => OnTerminal::start(command, columns).ends(),
        None => {
            let output = command.output().unwrap();
            let streams = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            (streams.concat(), output.status.code())
        }
    }
}

/// An event as JSON, cut to what a reviewer reads; any other line as it is.
fn shortened(line: &str) -> String {
    match serde_json::from_str::<Value>(line) {
        Ok(event) if event["class_uid"].is_number() => {
            json!({"class_name": event["class_name"], "message": event["message"], "…": "…"}).to_string()
        }
        Ok(_) | Err(_) => line.to_owned(),
    }
}

/// A line without what differs from run to run.
fn masked(line: &str) -> String {
    let mut masked = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let is_inside = masked.chars().next_back().is_some_and(|c| c.is_alphanumeric());
        let found =
            if is_inside { None } else { MASKS.iter().find_map(|(shape, mask)| Some((fits(rest, shape)?, mask))) };
        let (length, mask) = found.map_or((c.len_utf8(), None), |(length, mask)| (length, Some(*mask)));
        masked.push_str(mask.unwrap_or(&rest[..length]));
        rest = &rest[length..];
    }
    masked
}

/// Shapes of what is masked: `9` is a digit, `+` more digits of them, `x` a hexadecimal digit.
const MASKS: [(&str, &str); 10] = [
    ("9999999999999", "[epoch in ms]"),
    ("9999-99-99T99:99:99.9+Z", "[time]"),
    ("9999-99-99T99:99:99Z", "YYYY-MM-DDThh:mm:ssZ"),
    ("99-99 99:99:99", "MM-DD hh:mm:ss"),
    ("99-99 99:99", "MM-DD hh:mm"),
    ("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"),
    ("127.0.0.1:9+", "127.0.0.1:[port]"),
    ("9+ ms", "[n] ms"),
    ("9+ms", "[n] ms"),
    ("9+ s ago", "[n] s ago"),
];

/// The length of the beginning of `text` that has this shape.
fn fits(text: &str, shape: &str) -> Option<usize> {
    let mut chars = text.chars().peekable();
    let mut length = 0;
    for part in shape.chars() {
        if part == '+' {
            while chars.next_if(char::is_ascii_digit).is_some() {
                length += 1;
            }
            continue;
        }
        let c = chars.next()?;
        let is_same = match part {
            '9' => c.is_ascii_digit(),
            'x' => c.is_ascii_hexdigit(),
            other => c == other,
        };
        if !is_same {
            return None;
        }
        length += c.len_utf8();
    }
    Some(length)
}

fn small_world() -> Value {
    json!({
        "seed": 7, "sites": 3, "devices": 6, "open_alerts": 6, "resolved_alerts": 2, "activity_history": 8, "history_days": 1,
        "alert_rate_per_hour": 0.0, "resolve_rate_per_hour": 0.0, "update_rate_per_hour": 0.0,
        "activity_rate_per_hour": 0.0, "inventory_rate_per_hour": 0.0, "reopen_share": 0.0, "activity_delay_max_ms": 0
    })
}

fn place(simulated: &Simulated) -> Workplace {
    let place = Workplace::new(simulated, "");
    place.configure(&account("acme", simulated.text("api_url")));
    place
}

#[test]
fn the_first_screen_of_the_demo_is_what_the_product_is_about() {
    for columns in [80, 100, 140] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vintner"));
        command.args(["demo", "--duration", "3s"]).env("NO_COLOR", "1");
        let (shown, code) = run(command, Some(columns));
        assert_eq!(code, Some(0), "{shown}");
        let is_log = |line: &&str| line.starts_with("20");
        let lines: Vec<&str> = shown.lines().filter(|line| !is_log(line)).take(30).collect();
        assert!(lines.iter().all(|line| line.chars().count() <= usize::from(columns)), "{lines:#?}");
        let inventory = lines.iter().filter(|line| line.contains("Inventory: ")).count();
        assert!((1..=6).contains(&inventory) && lines.len() == 30, "{lines:#?}");
        let severe =
            lines.iter().filter(|line| ["Medium", "High", "Crit"].iter().any(|word| line.contains(word))).count();
        assert!(severe >= 5, "{lines:#?}");
        assert!(
            !lines.iter().any(|line| line.contains("  xxxxxxxx-xxxx") || masked(line).contains("  xxxxxxxx-")),
            "{lines:#?}"
        );
    }
    let output = Command::new(env!("CARGO_BIN_EXE_vintner")).args(["demo", "--events", "40"]).output().unwrap();
    assert_eq!(crate::workplace::events(&output.stdout).len(), 40, "a pipe gets every event as JSON");
}

#[test]
fn color_is_shown_on_a_terminal_and_nowhere_else() {
    let demo = |color: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vintner"));
        command.args(["demo", "--events", "150"]).args(color).env_remove("NO_COLOR");
        command
    };
    let (shown, _) = run(demo(&[]), Some(100));
    assert!(shown.contains("\u{1b}[31mHigh  \u{1b}[0m"), "{shown}");
    assert!(!run(demo(&["--color", "never"]), Some(100)).0.contains('\u{1b}'));
    assert!(!run(demo(&[]), None).0.contains('\u{1b}'));
}

#[test]
fn the_way_from_a_configuration_to_a_delivered_event() {
    let simulated = Simulated::start(&small_world());
    for columns in WIDTHS {
        let place = place(&simulated);
        let mut transcript = Transcript::new(&place, columns);
        transcript
            .step(&["init", "-c", "other.toml", "--platform", "vidal", "--account", "acme"], Lines::AsTheyCome)
            .step(&["init", "-c", "other.toml"], Lines::AsTheyCome)
            .step(&["check"], Lines::AsTheyCome)
            .step(&["run", "--once"], Lines::Sorted)
            .step(&["tail", "--once", "-n", "100"], Lines::Sorted)
            .fits()
            .step(&["orgs", "list"], Lines::AsTheyCome)
            .fits()
            .step(&["orgs", "plan"], Lines::AsTheyCome)
            .step(&["orgs", "export"], Lines::Sorted)
            .step(&["replay", "--sink", "console", "--since", "1h"], Lines::AsTheyCome)
            .step(&["replay", "--sink", "consol"], Lines::AsTheyCome)
            .step(&["dead-letters", "list"], Lines::Sorted)
            .step(&["explain", "no-id"], Lines::AsTheyCome);
        transcript.check("journey");
    }
}

#[test]
fn the_login_wrong_refused_and_right() {
    let simulated = Simulated::start(&small_world());
    let right = place(&simulated);
    let wrong = Workplace::new(&simulated, "").with_secret("wrong");
    let refused = Workplace::new(&simulated, "");
    // A port that was free a moment ago: nothing listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    refused.configure(&account("acme", &format!("http://127.0.0.1:{port}")));
    for (what, place, expected) in
        [("wrong", &wrong, "refused the login"), ("refused", &refused, "onnect"), ("right", &right, "acme")]
    {
        let mut transcript = Transcript::new(place, Some(100));
        transcript.step(&["check", "--online"], Lines::AsTheyCome);
        let shown = transcript.last.join("\n");
        assert!(transcript.text.ends_with(&format!("[exit {}]\n\n", i32::from(what != "right"))), "{what}: {shown}");
        assert!(shown.contains(expected), "{what}: {shown}");
    }
}

#[test]
fn a_record_is_explained_within_the_terminal() {
    let simulated = Simulated::start(&small_world());
    let place = place(&simulated);
    let record = r#"{"alertUid":"0f4c2a66-1d2b-4c3d-8e4f-5a6b7c8d9e0f","priority":"High","timestamp":1795212345678,"alertContext":{"@class":"ping_ctx","instanceName":"192.0.2.1"},"alertSourceInfo":{"deviceName":"SRV-1","deviceUid":"9c1b7f52-0d3e-4a76-8f21-5e0c44d1a7b3","siteUid":"5b6f0a52-93c4-4d0b-8a7e-2f1f7f6f4c11","siteName":"HQ"}}"#;
    for columns in [80, 100, 140] {
        let mut transcript = Transcript::new(&place, Some(columns));
        for arguments in [&["explain", "--type", "alert"][..], &["explain", "--type", "alert", "--field", "time"]] {
            let mut shell = OnTerminal::start(transcript.command(arguments), columns);
            shell.waits_for("Ctrl-D");
            shell.types(&format!("{record}\n\u{4}"));
            let (shown, code) = shell.ends();
            // The terminal echoes what is typed.
            let is_table = |line: &&str| {
                !line.contains("{\"alertUid\"")
                    && !["waiting for", "no configuration"].iter().any(|note| line.starts_with(note))
            };
            let shown: Vec<&str> = shown.lines().filter(is_table).collect();
            transcript.note(arguments, &shown.join("\n"), code, Lines::AsTheyCome);
            transcript.fits();
        }
        transcript.check("explain");
    }
}

#[test]
fn a_running_instance_reloads_and_stops() {
    let simulated = Simulated::start(&small_world());
    let place = place(&simulated);
    let good = account("acme", simulated.text("api_url"));
    let signal = |id: u32, name: &str| {
        assert!(Command::new("kill").args([name, &id.to_string()]).status().unwrap().success());
    };
    let mut command = place.command(&["run"]);
    command.env("NO_COLOR", "1");
    let mut running = OnTerminal::start(command, 100);
    running.waits_for("Inventory: 6 devices");
    // What comes beside the inventory has a moment too.
    std::thread::sleep(Duration::from_secs(2));
    place.configure(&format!("{good}\n[nonsense]\n"));
    signal(running.id(), "-HUP");
    running.waits_for("nonsense");
    place.configure(&format!("shutdown_timeout = \"9s\"\n{good}"));
    signal(running.id(), "-HUP");
    running.waits_for("in force");
    signal(running.id(), "-INT");
    let (shown, code) = running.ends();
    assert_eq!(code, Some(0), "{shown}");
    let events = shown.lines().filter(|line| !line.starts_with("20") && masked(line).starts_with("MM-DD"));
    let events: Vec<&str> = events.collect();
    assert!(events.len() > 8 && events.iter().all(|line| line.chars().count() <= 100), "{shown}");
}
