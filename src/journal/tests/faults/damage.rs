//! Bytes of the journal's files that changed while nobody looked: the journal is refused, or everything of it is right.

use crate::clock::Millis;
use crate::journal::JournalError;
use crate::journal::files::beside;
use crate::journal::sqlite::Journal;
use crate::journal::tests::support::{
    DAY, Place, activities, live, look, page, pass, settlement, site, uid, use_sinks,
};
use crate::journal::{BatchLimit, Page};
use crate::record::Record;

const PAGES: usize = 6;

/// All that matters of a journal.
#[derive(Debug, PartialEq)]
struct Contents {
    records: Vec<(u64, Millis, String)>,
    position: u64,
    cursor: Option<String>,
    open_alerts: Vec<String>,
}

/// The files of a journal: itself and its log.
#[derive(Clone, Default)]
struct Files {
    journal: Vec<u8>,
    log: Vec<u8>,
}

/// A journal, and its files.
struct Filled {
    /// After a clean stop.
    stopped: Files,
    /// As a kill leaves them.
    killed: Files,
    /// So many bytes of the log hold transactions of which each has two successors.
    certain: usize,
    contents: Contents,
}

impl Files {
    fn of(place: &Place) -> Self {
        let read = |path| std::fs::read(path).unwrap_or_default();
        Self { journal: read(place.path()), log: read(beside(&place.path(), "-wal")) }
    }

    fn put(&self, place: &Place) {
        std::fs::write(place.path(), &self.journal).unwrap();
        if !self.log.is_empty() {
            std::fs::write(beside(&place.path(), "-wal"), &self.log).unwrap();
        }
    }
}

/// What came of a damaged journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    /// Everything is right.
    Whole,
    /// Opening or reading ends with a text that says that it is damaged, and what to do.
    Refused,
    /// `check --journal` finds it.
    Found,
    /// Nobody notices.
    Silent,
}

async fn filled(place: &Place) -> Filled {
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    use_sinks(&journal, &["s"]).await;
    let mut certain = 0;
    for n in 0..PAGES {
        let alerts = vec![look(&format!("alert{n}"), 1, "a", None)];
        let cursors = vec![("c".to_owned(), n.to_string())];
        journal.commit(Page { alerts, cursors, ..activities(&format!("page{n}"), 6, "a") }).await.unwrap();
        if n + 2 == PAGES {
            certain = Files::of(place).log.len();
        }
    }
    let attempt = journal.read("s", &live(), BatchLimit { records: 10, bytes: 1 << 20 }).await.unwrap().unwrap();
    journal.settle(settlement(&attempt, "s", &live())).await.unwrap();
    let contents = contents(&journal).await.unwrap();
    let killed = Files::of(place);
    journal.close().await.unwrap();
    Filled { stopped: Files::of(place), killed, certain, contents }
}

async fn contents(journal: &Journal) -> Result<Contents, JournalError> {
    let text = |record: &Record| serde_json::to_string(record).unwrap();
    let records = journal.records(&live(), 0, usize::MAX).await?;
    Ok(Contents {
        records: records.iter().map(|(seq, at, record)| (*seq, *at, text(record))).collect(),
        position: journal.backlog("s").await?.first().map_or(0, |entry| entry.position),
        cursor: journal.cursor(&uid(), "c").await?,
        open_alerts: journal.open_alerts(&uid()).await?.into_iter().map(|(name, _)| name).collect(),
    })
}

async fn judge(files: &Files, expected: &Contents, what: &str) -> Verdict {
    let place = Place::new();
    files.put(&place);
    let refused = |error: JournalError| {
        let text = error.to_string();
        assert!(text.contains(&place.path().display().to_string()), "{what}: {text}");
        let says = ["damaged", "not a journal", "shorter than any", "newer vintner", "cannot be used"];
        assert!(says.iter().any(|words| text.contains(words)), "{what}: {text}");
        Verdict::Refused
    };
    let journal = match Journal::open(&place.path(), place.options.clone(), place.clock.clone()) {
        Ok(journal) => journal,
        Err(error) => return refused(error),
    };
    let verdict = match contents(&journal).await {
        Ok(found) if found == *expected => Verdict::Whole,
        Ok(_) => match journal.check_pages().await {
            Ok(check) if check.problems.is_empty() => Verdict::Silent,
            Ok(_) => Verdict::Found,
            Err(error) => refused(error),
        },
        Err(error) => refused(error),
    };
    drop(journal.close().await);
    verdict
}

fn count(verdicts: &[(Verdict, String)], kind: Verdict) -> usize {
    verdicts.iter().filter(|(verdict, _)| *verdict == kind).count()
}

/// Flips a bit in each of `times` places, of the journal and of its log.
async fn flip(times: usize, seed: u64) {
    let Filled { stopped, killed, certain, contents: expected } = filled(&Place::new()).await;
    assert!(certain > 30_000, "{certain} bytes of log");
    let mut random = fastrand::Rng::with_seed(seed);
    println!("seed {seed}");
    let mut verdicts = Vec::new();
    for _ in 0..times {
        let (at, bit) = (random.usize(..stopped.journal.len()), random.u8(..8));
        let mut files = stopped.clone();
        files.journal[at] ^= 1 << bit;
        let what = format!("bit {bit} of byte {at} of the journal");
        verdicts.push((judge(&files, &expected, &what).await, what));
    }
    report(&verdicts);
    assert!(count(&verdicts, Verdict::Refused) > 0 && count(&verdicts, Verdict::Whole) > 0);
    verdicts.clear();
    // A log whose last transaction is damaged is no other than one that a power cut has torn.
    for _ in 0..times {
        let (at, bit) = (random.usize(..certain), random.u8(..8));
        let mut files = killed.clone();
        files.log[at] ^= 1 << bit;
        let what = format!("bit {bit} of byte {at} of {certain} of the log");
        verdicts.push((judge(&files, &expected, &what).await, what));
    }
    report(&verdicts);
}

fn report(verdicts: &[(Verdict, String)]) {
    let silent: Vec<&String> = verdicts.iter().filter(|(v, _)| *v == Verdict::Silent).map(|(_, what)| what).collect();
    let counts = [Verdict::Whole, Verdict::Refused, Verdict::Found, Verdict::Silent].map(|kind| count(verdicts, kind));
    println!("whole, refused, found by check, silent: {counts:?}");
    assert_eq!(silent, Vec::<&String>::new());
}

#[tokio::test]
async fn a_flipped_bit_is_harmless_or_found() {
    flip(100, 5).await;
}

#[tokio::test]
#[ignore = "minutes: thousands of bits"]
async fn each_of_many_flipped_bits_is_harmless_or_found() {
    for seed in 0..10 {
        flip(1000, seed).await;
    }
}

/// A file that was cut off is refused wherever it ends.
#[tokio::test]
async fn a_truncated_journal_is_refused() {
    let Filled { stopped, contents: expected, .. } = filled(&Place::new()).await;
    let length = stopped.journal.len();
    for at in (0..length).step_by(length / 40).chain([length - 1, length - 4096]) {
        let files = Files { journal: stopped.journal[..at].to_vec(), log: Vec::new() };
        let verdict = judge(&files, &expected, &format!("{at} of {length} bytes")).await;
        assert_eq!(verdict, Verdict::Refused, "{at} of {length} bytes");
    }
}

/// A log that a power cut has torn at its end is no damage: what was confirmed before is there.
#[tokio::test]
async fn a_log_that_is_cut_anywhere_is_read_up_to_there() {
    let Filled { killed, contents: expected, .. } = filled(&Place::new()).await;
    for at in (0..killed.log.len()).step_by(killed.log.len() / 30) {
        let place = Place::new();
        let files = Files { log: killed.log[..at].to_vec(), ..killed.clone() };
        files.put(&place);
        let journal = place.open();
        let found = contents(&journal).await.unwrap();
        assert!(expected.records.starts_with(&found.records) && found.position <= expected.position, "{at}");
        assert_eq!(journal.check_pages().await.unwrap().problems, Vec::<String>::new(), "{at}");
        drop(journal.close().await);
    }
}

/// What a kill leaves: the log beside the journal has what was confirmed.
#[tokio::test]
async fn a_log_that_a_kill_left_is_read() {
    let Filled { killed, contents: expected, .. } = filled(&Place::new()).await;
    assert_eq!(judge(&killed, &expected, "as a kill leaves it").await, Verdict::Whole);
}

#[tokio::test]
async fn a_journal_goes_on_after_what_a_kill_left() {
    let Filled { killed, contents: expected, .. } = filled(&Place::new()).await;
    let place = Place::new();
    killed.put(&place);
    let journal = place.open();
    let rest = expected.records.len() as u64 - expected.position;
    assert_eq!(pass(&journal, "s", &live()).await, rest);
    journal.commit(Page { cursors: vec![("c".into(), "later".into())], ..page() }).await.unwrap();
    place.clock.jump(i64::try_from((8 * DAY).as_millis()).unwrap());
    assert_eq!(journal.maintain_now().await.unwrap().trimmed, expected.records.len() as u64);
    journal.close().await.unwrap();
}
