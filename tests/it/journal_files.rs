//! The journal's files under a running process: a second instance, a removed or replaced file, a foreign lock, no descriptors left.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::crash::{assert_told, epoch_ms};
use crate::forms::drawn;
use crate::reload::free;
use crate::simulated::Simulated;
use crate::workplace::{Workplace, events, ids, wait_for};

const PATIENCE: Duration = Duration::from_secs(30);

const POLL: &str = "[accounts.acme.poll]\nalerts = \"1s\"\nactivity = \"1s\"\ninventory = \"1s\"\n";

/// A live account in which nothing vanishes: what a process saw and did not keep, the next one sees.
fn live(seed: u64) -> Simulated {
    let options = json!({
        "seed": seed, "sites": 3, "devices": 12, "open_alerts": 40, "resolved_alerts": 20, "activity_history": 60, "vanish_share": 0.0,
        "history_days": 2, "alert_rate_per_hour": 6_000.0, "resolve_rate_per_hour": 3_000.0, "update_rate_per_hour": 3_000.0,
        "activity_rate_per_hour": 6_000.0, "activity_delay_max_ms": 300, "inventory_rate_per_hour": 1_000.0, "request_limit": 100_000
    });
    Simulated::start(&drawn(options, seed))
}

/// A `run` whose output is in the file `out` and whose log is in the file `log`.
struct Running<'a> {
    place: &'a Workplace,
    child: Child,
}

impl<'a> Running<'a> {
    /// Starts it, under `limit` of the shell (`ulimit` and its arguments), and waits for its first events.
    fn start(place: &'a Workplace, limit: &str) -> Self {
        let vintner = place.command(&["run"]);
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{limit}\nexec \"$0\" run")])
            .arg(vintner.get_program())
            .current_dir(vintner.get_current_dir().unwrap())
            .envs(vintner.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .stdout(File::create(place.path("out")).unwrap())
            .stderr(File::create(place.path("log")).unwrap());
        let running = Self { place, child: command.spawn().unwrap() };
        wait_for(PATIENCE, || (running.out().len() > 30).then_some(()));
        // The first batch is confirmed, and the ones after it are small: an end without a confirmation repeats the last one.
        std::thread::sleep(Duration::from_secs(3));
        running
    }

    fn out(&self) -> Vec<Value> {
        events(&std::fs::read(self.place.path("out")).unwrap())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.place.path("log")).unwrap()
    }

    fn ended(&mut self) -> ExitStatus {
        wait_for(PATIENCE, || self.child.try_wait().unwrap())
    }

    fn terminate(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.ended()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What `run --once` ends with, and its standard error.
fn once(place: &Workplace) -> (Option<i32>, String) {
    let output = place.run(&["run", "--once"]);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Everything that happened is in `all`, and `repeated` events at most came twice.
fn assert_whole(simulated: &Simulated, all: &[Value], settled: u128, repeated: usize) {
    assert_told(all, &simulated.get("/sim/truth"), settled);
    let twice = ids(all).values().filter(|count| **count > 1).count();
    assert!(twice <= repeated, "{twice} of {} events were repeated", all.len());
}

#[test]
fn a_second_instance_is_refused_whatever_the_journal_is_called_and_without_the_lock_file() {
    let simulated = live(21);
    let place = Workplace::new(&simulated, POLL);
    let mut running = Running::start(&place, "");
    let expected = format!("in use by another vintner (process {})", running.child.id());

    std::fs::hard_link(place.path("vintner.db"), place.path("other.db")).unwrap();
    let configuration = std::fs::read_to_string(place.path("vintner.toml")).unwrap();
    place.configure(&format!("{configuration}\n[journal]\npath = \"other.db\"\n"));
    let (code, said) = once(&place);
    assert!(code == Some(1) && said.contains(&expected), "{code:?} {said}");
    place.configure(&configuration);
    std::fs::remove_file(place.path("other.db")).unwrap();

    std::fs::remove_file(place.path("vintner.db-lock")).unwrap();
    for _ in 0..2 {
        let (code, said) = once(&place);
        assert!(code == Some(1) && said.contains(&expected), "{code:?} {said}");
    }
    // Readers, and commands that hand their work over, go on beside it.
    let status = place.run(&["status", "--json"]);
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    let replay = place.run(&["replay", "--sink", "console", "--until", "2020-01-01T00:00:00Z"]);
    assert!(replay.status.success(), "{}", String::from_utf8_lossy(&replay.stderr));
    assert_eq!(running.terminate().code(), Some(0), "{}", running.log());
    assert_eq!(once(&place).0, Some(0), "the lock is gone with its holder");
}

#[test]
fn a_removed_journal_stops_the_run_and_its_contents_are_saved() {
    let simulated = live(22);
    let place = Workplace::new(&simulated, POLL);
    let mut running = Running::start(&place, "");
    std::fs::remove_file(place.path("vintner.db")).unwrap();
    assert_eq!(running.ended().code(), Some(1), "{}", running.log());
    let log = running.log();
    let (saved, missing) = (place.path("vintner.db-rescued"), place.path("vintner.db"));
    assert!(log.contains("was removed") && log.contains(&saved.display().to_string()), "{log}");
    // A service manager starts it again: that must not be a first start.
    let (code, said) = once(&place);
    assert!(code == Some(1) && said.contains(&saved.display().to_string()) && !missing.exists(), "{said}");
    std::fs::rename(saved, missing).unwrap();
    let mut all = running.out();
    let settled = epoch_ms();
    all.extend(place.once());
    assert_whole(&simulated, &all, settled, 20);
    let check = place.run(&["check", "--journal"]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}

#[test]
fn a_moved_journal_stops_the_run_and_goes_on_once_it_is_back() {
    let simulated = live(23);
    let place = Workplace::new(&simulated, POLL);
    let mut running = Running::start(&place, "");
    std::fs::rename(place.path("vintner.db"), place.path("away.db")).unwrap();
    assert_eq!(running.ended().code(), Some(1), "{}", running.log());
    assert!(running.log().contains("was moved"), "{}", running.log());
    let (code, said) = once(&place);
    assert!(code == Some(1) && said.contains("vintner.db-wal") && !place.path("vintner.db").exists(), "{said}");
    std::fs::rename(place.path("away.db"), place.path("vintner.db")).unwrap();
    let mut all = running.out();
    let settled = epoch_ms();
    all.extend(place.once());
    assert_whole(&simulated, &all, settled, 20);
}

/// As when a backup is put in place while vintner runs: the backup must not get the log of the file that it replaces.
#[test]
fn a_replaced_journal_stops_the_run_and_leaves_the_new_file_as_it_is() {
    let simulated = live(24);
    let place = Workplace::new(&simulated, POLL);
    let first = place.once();
    std::fs::copy(place.path("vintner.db"), place.path("backup.db")).unwrap();
    let backup = std::fs::read(place.path("backup.db")).unwrap();
    let mut running = Running::start(&place, "");
    std::fs::rename(place.path("backup.db"), place.path("vintner.db")).unwrap();
    assert_eq!(running.ended().code(), Some(1), "{}", running.log());
    let log = running.log();
    let saved = place.path("vintner.db-rescued");
    assert!(log.contains("another file is in its place") && log.contains(&saved.display().to_string()), "{log}");
    assert!(std::fs::read(place.path("vintner.db")).unwrap() == backup, "the new file was changed");
    assert!(!place.path("vintner.db-wal").exists(), "a log of another journal is beside the new file");
    let mut all = first;
    all.extend(running.out());
    std::fs::rename(saved, place.path("vintner.db")).unwrap();
    let settled = epoch_ms();
    all.extend(place.once());
    assert_whole(&simulated, &all, settled, 20);
}

#[test]
fn a_removed_log_stops_the_run_and_nothing_of_it_is_lost() {
    for suffix in ["-wal", "-shm"] {
        let simulated = live(25);
        let place = Workplace::new(&simulated, POLL);
        let mut running = Running::start(&place, "");
        std::fs::remove_file(place.path(&format!("vintner.db{suffix}"))).unwrap();
        assert_eq!(running.ended().code(), Some(1), "{}", running.log());
        assert!(running.log().contains(&format!("vintner.db{suffix} was removed")), "{}", running.log());
        let mut all = running.out();
        let settled = epoch_ms();
        all.extend(place.once());
        assert_whole(&simulated, &all, settled, 20);
    }
}

#[test]
fn a_foreign_lock_is_waited_for_and_named() {
    let simulated = live(26);
    let admin = free();
    let place = Workplace::new(&simulated, &format!("{POLL}\n[admin]\nlisten = \"{admin}\"\n"));
    let mut running = Running::start(&place, "");
    let shell = Connection::open(place.path("vintner.db")).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Beyond the ten seconds that one attempt to lock takes at most.
    std::thread::sleep(Duration::from_secs(12));
    assert!(running.child.try_wait().unwrap().is_none(), "it ended: {}", running.log());
    assert!(running.log().contains("another program keeps the journal locked"), "{}", running.log());
    let ready = place.run(&["status", "--check", "ready"]);
    let said = String::from_utf8_lossy(&ready.stderr).into_owned();
    assert!(
        !ready.status.success() && said.contains("another program keeps the journal locked"),
        "{said}{}",
        running.log()
    );
    shell.execute_batch("ROLLBACK").unwrap();
    drop(shell);
    let before = running.out().len();
    wait_for(PATIENCE, || (running.out().len() > before + 10).then_some(()));
    wait_for(PATIENCE, || place.run(&["status", "--check", "ready"]).status.success().then_some(()));
    let settled = epoch_ms();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(running.terminate().code(), Some(0), "{}", running.log());
    let mut all = running.out();
    all.extend(place.once());
    assert_whole(&simulated, &all, settled, 0);
}

/// A stop does not wait for a lock that nobody gives back.
#[test]
fn a_stop_under_a_foreign_lock_ends_within_the_shutdown_timeout() {
    let simulated = live(27);
    let place = Workplace::new(&simulated, POLL);
    let text = std::fs::read_to_string(place.path("vintner.toml")).unwrap();
    place.configure(&format!("shutdown_timeout = \"2s\"\n{text}"));
    let mut running = Running::start(&place, "");
    let shell = Connection::open(place.path("vintner.db")).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let began = Instant::now();
    let code = running.terminate().code();
    // 0 if nothing that was in hand had to be given up.
    assert!(matches!(code, Some(0 | 3)), "{code:?} {}", running.log());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    shell.execute_batch("ROLLBACK").unwrap();
    drop(shell);
    let settled = epoch_ms();
    let mut all = running.out();
    all.extend(place.once());
    // What was delivered and could not be confirmed comes again, with equal ids.
    assert_whole(&simulated, &all, settled, 100);
}

/// Idle clients take every descriptor that the limit allows.
#[test]
fn a_run_without_free_descriptors_goes_on() {
    let simulated = live(28);
    let admin = free();
    let place = Workplace::new(&simulated, &format!("{POLL}\n[admin]\nlisten = \"{admin}\"\n"));
    let mut running = Running::start(&place, "ulimit -n 64");
    let connect = |count: usize| -> Vec<TcpStream> { (0..count).filter_map(|_| idle(admin)).collect() };
    for _ in 0..4 {
        let clients = connect(120);
        for _ in 0..6 {
            ask(admin);
            std::thread::sleep(Duration::from_millis(150));
        }
        assert!(running.child.try_wait().unwrap().is_none(), "it ended: {}", running.log());
        drop(clients);
    }
    let before = running.out().len();
    wait_for(PATIENCE, || (running.out().len() > before + 10).then_some(()));
    assert!(running.log().contains("the admin listener cannot accept connections"), "{}", running.log());
    assert_eq!(running.terminate().code(), Some(0), "{}", running.log());
}

/// Asks for metrics, which need a read of the journal; does not wait long for the answer.
fn ask(admin: SocketAddr) -> Option<usize> {
    let mut stream = idle(admin)?;
    stream.set_read_timeout(Some(Duration::from_millis(300))).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    stream.read_to_end(&mut Vec::new()).ok()
}

fn idle(admin: SocketAddr) -> Option<TcpStream> {
    TcpStream::connect_timeout(&admin, Duration::from_millis(200)).ok()
}
