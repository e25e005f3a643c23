//! A disk that fails at every call in turn, and a process that is killed there: each next start has everything that was confirmed, or
//! refuses with a text that says what to do.
//!
//! The process is this test binary itself, with `faults/disk.c` between it and the C library (Linux only).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use super::support::{MANY, Place, activities, ids, live, look, page, pass, settlement, site, uid, use_sinks};
use crate::clock::Clock;
use crate::journal::sqlite::{Journal, Options};
use crate::journal::{JournalError, Page};

pub(super) mod damage;
pub(super) mod older;

/// Pages that a life commits, records of each, and how many come before the sink passes everything and trimming begins.
const PAGES: usize = 8;
const RECORDS: usize = 24;
const BEFORE_TRIM: usize = 5;

/// The journal that a child works on.
const CHILD: &str = "VINTNER_FAULT_CHILD";

fn options() -> Options {
    // Nothing is retained, and the log is written back every few pages.
    Options { retain: Duration::ZERO, max_bytes: 1 << 20, hold_for: Duration::from_secs(86_400) }
}

fn number(page: usize) -> Page {
    let mut page_of = activities(&format!("page{page}"), RECORDS, "a");
    page_of.alerts = vec![look(&format!("alert{page}"), 1, "a", None)];
    Page { cursors: vec![("page".into(), page.to_string())], ..page_of }
}

/// Not a test by itself: a life of a journal, run by the tests below in a process of its own. Prints each step once it is confirmed.
#[test]
#[ignore = "the child process of other tests"]
fn life() {
    #[expect(clippy::disallowed_methods, reason = "the parent names the journal in the environment")]
    let Ok(path) = std::env::var(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match runtime.block_on(live_once(Path::new(&path))) {
        Ok(()) => println!("\n+ended"),
        Err(error) => println!("\n!{error}"),
    }
}

async fn live_once(path: &Path) -> Result<(), JournalError> {
    let clock = Clock::manual(super::support::START);
    let journal = Journal::open(path, options(), clock.clone())?;
    println!("\n+opened");
    journal.store_sites(&uid(), vec![site("a")]).await?;
    journal.use_sinks(vec![("s".to_owned(), crate::journal::StartAt::Oldest)]).await?;
    for n in 0..PAGES {
        journal.commit(number(n)).await?;
        println!("+page{n}");
        if n + 1 == BEFORE_TRIM {
            while let Some(attempt) = journal.read("s", &live(), MANY).await? {
                journal.settle(settlement(&attempt, "s", &live())).await?;
                println!("+position {}", attempt.to);
            }
            clock.jump(1000);
            let done = journal.maintain_now().await?;
            println!("+trimmed {}", done.trimmed);
        }
    }
    journal.close().await
}

/// The shared object that makes the disk fail.
fn disk() -> &'static Path {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, object) = BUILT.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let object = folder.path().join("disk.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/journal/tests/faults/disk.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&object).arg(source).arg("-ldl");
        let built = compiler.output().expect("a C compiler, as the build needs one");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        (folder, object)
    });
    object
}

/// Runs a life in a process whose disk fails with `kind` at call `at`.
fn run(path: &Path, kind: &str, at: u64) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "journal::tests::faults::life", "--ignored", "--nocapture", "--test-threads=1"])
        .env(CHILD, path)
        .env("LD_PRELOAD", disk())
        .env("FAULT_FILES", path)
        .env("FAULT_KIND", kind)
        .env("FAULT_AT", at.to_string())
        .env("FAULT_COUNT", path.with_extension("count"))
        .output()
        .unwrap()
}

/// What a life confirmed.
#[derive(Debug, Default)]
struct Confirmed {
    steps: Vec<String>,
    error: Option<String>,
}

impl Confirmed {
    fn of(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout);
        let steps = text.lines().filter_map(|line| line.strip_prefix('+')).map(str::to_owned).collect();
        Self { steps, error: text.lines().find_map(|line| line.strip_prefix('!')).map(str::to_owned) }
    }

    fn has(&self, step: &str) -> bool {
        self.steps.iter().any(|done| done == step)
    }

    fn position(&self) -> u64 {
        self.steps.iter().filter_map(|step| step.strip_prefix("position ")?.parse().ok()).next_back().unwrap_or(0)
    }
}

/// Fails unless the journal has everything that was confirmed, once, and the `before` records that were there, and takes the rest.
async fn assert_whole(place: &Place, confirmed: &Confirmed, before: usize, what: &str) {
    let journal = Journal::open(&place.path(), options(), place.clock.clone())
        .unwrap_or_else(|error| panic!("{what}: {error}\n{confirmed:?}"));
    let problems = journal.check_pages().await.unwrap().problems;
    assert_eq!(problems, Vec::<String>::new(), "{what}");
    let cursor: Option<usize> = journal.cursor(&uid(), "page").await.unwrap().map(|text| text.parse().unwrap());
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    use_sinks(&journal, &["s"]).await;
    let position = journal.backlog("s").await.unwrap().first().map_or(0, |entry| entry.position);
    assert!(position >= confirmed.position(), "{what}: the position went back to {position}: {confirmed:?}");
    // What the sink did not pass is all there.
    let kept: BTreeSet<u64> =
        journal.records(&live(), 0, usize::MAX).await.unwrap().into_iter().map(|(seq, ..)| seq).collect();
    let pages = (0..PAGES).filter(|n| cursor.is_some_and(|cursor| *n <= cursor)).count();
    let head = u64::try_from(before + pages * (RECORDS + 1)).unwrap();
    assert!((position + 1..=head).all(|seq| kept.contains(&seq)), "{what}: {position}..={head} of {kept:?}");
    assert!(kept.last().is_none_or(|last| *last <= head), "{what}: records of a page whose cursor is not stored");
    for n in 0..PAGES {
        let is_there = n < pages;
        assert!(is_there || !confirmed.has(&format!("page{n}")), "{what}: page {n} is lost: {confirmed:?}");
        if is_there {
            let again = journal.commit(activities(&format!("page{n}"), RECORDS, "a")).await.unwrap();
            assert_eq!((again.taken, again.repeats), (0, RECORDS as u64), "{what}: page {n} was taken twice");
        }
    }
    pass(&journal, "s", &live()).await;
    journal.maintain_now().await.unwrap();
    journal.commit(Page { cursors: vec![("done".into(), "1".into())], ..page() }).await.unwrap();
    journal.close().await.unwrap();
}

/// A life without a fault: the number of its changes and of its syncs.
async fn counted(begin: &impl Fn(&Place) -> usize) -> (u64, u64) {
    let place = Place::new();
    let before = begin(&place);
    let output = run(&place.path(), "none", 0);
    let confirmed = Confirmed::of(&output);
    assert!(confirmed.has("ended"), "{confirmed:?}\n{}", String::from_utf8_lossy(&output.stderr));
    let trimmed = confirmed.steps.iter().find_map(|step| step.strip_prefix("trimmed ")?.parse::<u64>().ok());
    assert!(trimmed.is_some_and(|count| count > 0), "nothing was trimmed: {confirmed:?}");
    assert_whole(&place, &confirmed, before, "no fault").await;
    let counts = std::fs::read_to_string(place.path().with_extension("count")).unwrap();
    let mut counts = counts.split_whitespace().map(|count| count.parse().unwrap());
    (counts.next().unwrap(), counts.next().unwrap())
}

/// Lets the disk fail with `kind` at every `step`-th call, from the `first` on. `begin` puts a journal into its place, and returns how many
/// records it has.
async fn fail_at_each(kind: &str, first: u64, step: usize, begin: impl Fn(&Place) -> usize) {
    let (changes, syncs) = counted(&begin).await;
    assert!(changes > 100 && syncs > 20, "{changes} changes, {syncs} syncs");
    let last = if kind == "sync" { syncs } else { changes };
    let (mut failed, mut killed) = (0, 0);
    for at in (first..=last).step_by(step) {
        let place = Place::new();
        let before = begin(&place);
        let output = run(&place.path(), kind, at);
        let confirmed = Confirmed::of(&output);
        let what = format!("{kind} at {at} of {last}");
        if let Some(error) = &confirmed.error {
            failed += 1;
            let is_named = error.contains(&place.path().display().to_string());
            let says_what_to_do =
                ["Free space", "Check the disk", "must be writable", "cannot be created", "must be readable"];
            assert!(is_named && says_what_to_do.iter().any(|text| error.contains(text)), "{what}: {error}");
            assert!(!error.contains("cannot rollback"), "{what}: the first error is hidden: {error}");
        }
        killed += usize::from(!output.status.success());
        let is_known = confirmed.error.is_some() || confirmed.has("ended") || kind == "kill";
        assert!(is_known, "{what}: {confirmed:?}\n{}", String::from_utf8_lossy(&output.stderr));
        assert_whole(&place, &confirmed, before, &what).await;
    }
    assert!(failed > 0 || killed > 0, "{kind}: no call failed");
    println!("{kind}: {last} calls, {failed} ended with an error, {killed} were killed");
}

const KINDS: [&str; 6] = ["full", "short", "write", "sync", "readonly", "kill"];

/// A journal with records of an older layout.
fn older_layout(layout: usize) -> impl Fn(&Place) -> usize {
    move |place| {
        let newest = Place::new();
        let runtime = std::thread::spawn({
            let path = newest.path();
            move || older::filled(&path)
        });
        runtime.join().unwrap();
        older::layout(&newest.path(), &place.path(), layout);
        older::RECORDS
    }
}

#[tokio::test]
async fn a_disk_that_fails_anywhere_loses_nothing() {
    for (n, kind) in KINDS.into_iter().enumerate() {
        fail_at_each(kind, 1 + n as u64, 41, |_| 0).await;
    }
}

#[tokio::test]
async fn a_disk_that_fails_during_a_migration_loses_nothing() {
    for (n, kind) in ["full", "sync", "kill"].into_iter().enumerate() {
        fail_at_each(kind, 1 + n as u64, 61, older_layout(1 + n)).await;
    }
}

#[tokio::test]
#[ignore = "minutes: every call, every kind, every layout"]
async fn a_disk_that_fails_at_each_call_loses_nothing() {
    for kind in KINDS {
        fail_at_each(kind, 1, 1, |_| 0).await;
        for layout in older::LAYOUTS {
            fail_at_each(kind, 1, 3, older_layout(layout)).await;
        }
    }
}

/// What an older layout holds is there in the newest one.
#[tokio::test]
async fn every_older_layout_is_migrated_with_all_its_records() {
    for layout in older::LAYOUTS {
        let place = Place::new();
        older_layout(layout)(&place);
        let journal = Journal::open(&place.path(), options(), place.clock.clone()).unwrap();
        assert_eq!(ids(&journal, &live()).await.len(), older::RECORDS, "layout {layout}");
        assert_eq!(journal.check_pages().await.unwrap().problems, Vec::<String>::new(), "layout {layout}");
        let again = journal.commit(activities("old", older::RECORDS, "a")).await.unwrap();
        assert_eq!((again.taken, again.repeats), (0, older::RECORDS as u64), "layout {layout}");
        assert_eq!(
            pass(&journal, "s", &live()).await,
            older::RECORDS as u64 / 2,
            "layout {layout}: the sink's position"
        );
    }
}
