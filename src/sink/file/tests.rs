//! What a file sink writes to and what it refuses, and the contract of sinks on a disk that misbehaves.

use std::path::Path;
use std::sync::Condvar;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::sink::contract::{self, Arrived, Cannot};
use crate::sink::lines::tests::event;

/// An event in each format, as a line.
const OURS: [&str; 3] = [
    r#"{"activity_id":1,"metadata":{"transformation_info_list":[{"name":"datto-rmm-ocsf"}]}}"#,
    r#"{"@timestamp":"2026-01-01T00:00:00Z","event":{"id":"1","module":"datto_rmm"},"datto_rmm":{}}"#,
    r#"{"account_uid":"ab1","id":"1","marker":"open","record":{}}"#,
];

fn sink(path: &Path) -> FileSink {
    FileSink::new(path.to_owned(), Vec::new())
}

async fn refusal(sink: &mut FileSink) -> String {
    match sink.deliver(&[event(OURS[0])]).await {
        Err(SinkError::Retry(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_torn_line_is_cut_off_at_open_in_a_file_of_events_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    let long = format!("{{\"activity_id\":{}", "9".repeat(100_000));
    for whole in ["".to_owned(), format!("{}\n", OURS[0]), format!("{}\n{}\n{}\n", OURS[1], OURS[0], OURS[2])] {
        for torn in ["", "{", "{\"activity_id\"", &long] {
            std::fs::write(&path, format!("{whole}{torn}")).unwrap();
            sink(&path).deliver(&[event(OURS[0])]).await.unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{whole}{}\n", OURS[0]));
        }
    }
}

#[tokio::test]
async fn a_file_that_holds_something_else_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes");
    let foreign = [
        "a list\nof things".to_owned(),
        "one line without an end".to_owned(),
        "{\"metadata\":{\"uid\":\"1\"}}\n".to_owned(),
        format!("# notes\n{}\n", OURS[0]),
        format!("{}\nmy own line\n", OURS[0]),
        format!("{}\nmy own line\n{{\"activity", OURS[0]),
        "SQLite format 3\0\u{10}\n\n\0".to_owned(),
        "\n".to_owned(),
    ];
    for text in foreign {
        std::fs::write(&path, &text).unwrap();
        let reason = refusal(&mut sink(&path)).await;
        assert!(reason.contains("notes is refused") && reason.contains("no event of vintner"), "{reason}");
        assert!(problem::of(&path, &[]).is_some_and(|problem| !problem.is_permanent), "check finds it too");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[tokio::test]
async fn a_reserved_file_is_refused_under_every_name_and_none_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let reserved = vec![at("db"), at("db-wal")];
    std::fs::write(at("db"), "").unwrap();
    std::fs::hard_link(at("db"), at("hard")).unwrap();
    std::os::unix::fs::symlink("./db-wal", at("soft")).unwrap();
    for name in ["db", "./db", "hard", "soft", "db-wal"] {
        let reason = refusal(&mut FileSink::new(at(name), reserved.clone())).await;
        assert!(reason.contains("the journal's own file"), "{name}: {reason}");
        assert!(problem::of(&at(name), &reserved).is_some_and(|problem| problem.is_permanent), "{name}");
    }
    assert!(!at("db-wal").exists() && std::fs::read(at("db")).unwrap().is_empty());
}

#[tokio::test]
async fn only_regular_files_are_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for (path, what) in [
        (Path::new("/dev/null"), "a device"),
        (Path::new("/dev/full"), "a device"),
        (&fifo, "a named pipe"),
        (folder.path(), "a directory"),
    ] {
        let reason = refusal(&mut sink(path)).await;
        assert!(reason.contains(what), "{reason}");
        assert!(problem::of(path, &[]).is_some_and(|problem| problem.is_permanent && problem.reason.contains(what)));
    }
}

#[tokio::test]
async fn events_go_to_the_file_that_has_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("e"), folder.path().join("e.1"));
    let mut sink = sink(&path);
    let line = |n: usize| OURS[2].replace("\"1\"", &format!("\"{n}\""));
    let written = |path: &Path, numbers: &[usize]| {
        let lines: String = numbers.iter().map(|n| line(*n) + "\n").collect();
        assert_eq!(std::fs::read_to_string(path).unwrap(), lines);
    };
    sink.deliver(&[event(&line(1))]).await.unwrap();
    std::fs::rename(&path, &moved).unwrap();
    sink.deliver(&[event(&line(2))]).await.unwrap();
    written(&moved, &[1]);
    written(&path, &[2]);
    std::fs::remove_file(&path).unwrap();
    sink.deliver(&[event(&line(3))]).await.unwrap();
    written(&path, &[3]);
    // The same file under its name again: only a reload opens it anew.
    sink.reopen();
    sink.deliver(&[event(&line(4))]).await.unwrap();
    written(&path, &[3, 4]);
}

#[tokio::test]
async fn a_file_that_is_removed_while_it_is_written_has_confirmed_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let (removed, times) = (path.clone(), AtomicUsize::new(0));
    let append = move |file: &mut File, bytes: &[u8]| {
        file.write_all(bytes)?;
        if times.fetch_add(1, Ordering::Relaxed) == 0 { std::fs::remove_file(&removed) } else { Ok(()) }
    };
    let mut sink = FileSink::with(path.clone(), Vec::new(), Box::new(append));
    sink.deliver(&[event(OURS[0])]).await.unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), format!("{}\n", OURS[0]));
}

#[tokio::test]
async fn two_sinks_never_write_to_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("a"), folder.path().join("b"));
    let mut first = sink(&path);
    first.deliver(&[event(OURS[0])]).await.unwrap();
    std::fs::hard_link(&path, &other).unwrap();
    let mut second = sink(&other);
    assert!(refusal(&mut second).await.contains("another sink"));
    drop(first);
    second.deliver(&[event(OURS[1])]).await.unwrap();
}

#[tokio::test]
async fn a_missing_folder_is_a_sink_that_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no/such/file");
    assert!(refusal(&mut sink(&path)).await.contains("no/such/file"));
    assert!(problem::of(&path, &[]).unwrap().is_no_folder);
}

/// A file in a folder that can be moved away, on a disk that can hang or be full.
struct Folder {
    holder: tempfile::TempDir,
    disk: Arc<(std::sync::Mutex<Disk>, Condvar)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Disk {
    Well,
    Hangs,
    Full,
}

impl Folder {
    fn new() -> Self {
        let holder = tempfile::tempdir().unwrap();
        std::fs::create_dir(holder.path().join("here")).unwrap();
        Self { holder, disk: Arc::new((std::sync::Mutex::new(Disk::Well), Condvar::new())) }
    }

    fn path(&self) -> PathBuf {
        self.holder.path().join("here/events.ndjson")
    }

    fn rename(&self, from: &str, to: &str) {
        let place = |name: &str| self.holder.path().join(name);
        if place(from).exists() {
            std::fs::rename(place(from), place(to)).unwrap();
        }
    }

    fn set(&self, disk: Disk) {
        *self.disk.0.lock().unwrap() = disk;
        self.disk.1.notify_all();
    }

    /// Writes half of it, and the other half once the disk does not hang any more.
    fn append(&self) -> Append {
        let disk = Arc::clone(&self.disk);
        Box::new(move |file: &mut File, bytes: &[u8]| {
            let (first, second) = bytes.split_at(bytes.len() / 2);
            file.write_all(first)?;
            let hung = disk.1.wait_while(disk.0.lock().unwrap(), |disk| *disk == Disk::Hangs).unwrap();
            if *hung == Disk::Full { Err(std::io::ErrorKind::StorageFull.into()) } else { file.write_all(second) }
        })
    }
}

impl contract::Destination for Folder {
    type Sink = FileSink;

    fn sink(&self) -> FileSink {
        FileSink::with(self.path(), Vec::new(), self.append())
    }

    async fn arrived(&self) -> Vec<Arrived> {
        std::fs::read_to_string(self.path()).unwrap().lines().map(contract::of_line).collect()
    }

    fn poisoned(&self, _: Event) -> Result<Event, Cannot> {
        Err(Cannot("a file takes every line"))
    }

    async fn lose_answers(&self) -> Result<(), Cannot> {
        Err(Cannot("the answer of a file is the end of the system call"))
    }

    async fn stand_still(&self) -> Result<(), Cannot> {
        self.set(Disk::Hangs);
        Ok(())
    }

    async fn stumble(&self) -> Result<(), Cannot> {
        self.set(Disk::Full);
        Ok(())
    }

    async fn hold_back(&self) -> Result<(), Cannot> {
        self.stand_still().await
    }

    async fn go_away(&self) -> Result<&'static str, Cannot> {
        self.rename("here", "away");
        Ok("events.ndjson cannot be written")
    }

    async fn recover(&self) {
        self.set(Disk::Well);
        self.rename("away", "here");
    }
}

#[tokio::test]
async fn it_keeps_the_contract_of_sinks() {
    contract::check(&Folder::new()).await;
}
