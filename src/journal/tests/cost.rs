//! What things cost: steps of SQLite's machine, which must not grow with what the journal holds.

use super::support::{MANY, Place, activities, live, page, pass, site, uid, use_sinks};
use crate::journal::meter::measure;
use crate::journal::requests::Request;
use crate::journal::sqlite::Journal;
use crate::journal::{Page, Settlement, UNDATED, seen, settle, sinks, space, trim};

/// A journal in which `pages` pages of two records wait for a sink, as many are held, and one in ten is a dead letter.
async fn journal_of(place: &Place, pages: usize) -> Journal {
    let journal = place.open();
    journal.store_sites(&uid(), vec![site("a")]).await.unwrap();
    use_sinks(&journal, &["s", "passed"]).await;
    for n in 0..pages {
        journal.commit(activities(&format!("page{n}"), 2, "a")).await.unwrap();
        journal.commit(activities(&format!("held{n}"), 2, "b")).await.unwrap();
        let rejected = crate::journal::Rejected { path: "/p".into(), reason: "so".into(), content: format!("{n}") };
        if n % 10 == 0 {
            journal.commit(Page { rejected: vec![rejected], ..page() }).await.unwrap();
        }
    }
    journal
}

/// The steps of `work` in a small and in a twenty times larger journal.
async fn costs<F>(mut work: impl FnMut(Journal) -> F) -> (u64, u64)
where
    F: Future<Output = u64>,
{
    let mut found = Vec::new();
    for pages in [12, 240] {
        let place = Place::new();
        let journal = journal_of(&place, pages).await;
        found.push(work(journal).await);
    }
    (found[0], found[1])
}

/// A B-tree may be a level deeper.
fn assert_flat((small, large): (u64, u64), what: &str) {
    assert!(small > 0, "{what}: nothing was measured");
    assert!(large <= small * 2, "{what}: {small} steps in a small journal, {large} in a large one");
}

async fn look<T: Send + 'static>(
    journal: &Journal,
    work: impl FnOnce(&crate::journal::tx::View<'_>) -> crate::journal::fail::Done<T> + Send + 'static,
) -> u64 {
    journal
        .look(move |view| {
            let (found, steps) = measure(|| work(view));
            found.map(|_| steps)
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn status_costs_the_same_whatever_the_journal_holds() {
    let mut found = Vec::new();
    for pages in [12, 240] {
        let place = Place::new();
        let journal = journal_of(&place, pages).await;
        found.push([
            ("usage", look(&journal, |view| space::usage(view.connection, view.ground)).await),
            ("backlog", look(&journal, |view| sinks::backlogs(view.connection, "s")).await),
            ("causes", look(&journal, crate::journal::full::causes).await),
            ("held", look(&journal, crate::journal::held::summaries).await),
        ]);
    }
    for ((what, small), (_, large)) in found[0].into_iter().zip(found[1]) {
        assert_flat((small, large), what);
    }
}

/// A turn of a deliverer: it looks at the backlog, reads a batch and settles it, wherever it stands.
#[tokio::test]
async fn a_turn_costs_the_same_whatever_lies_behind_it() {
    let cost = |journal: Journal| async move {
        let limit = crate::journal::BatchLimit { records: 10, ..MANY };
        let seen = look(&journal, |view| sinks::backlogs(view.connection, "s")).await;
        let attempt = journal.read("s", &live(), limit).await.unwrap().unwrap();
        let settlement = Settlement {
            sink: "s".into(),
            partition: live(),
            from: attempt.from,
            to: attempt.to,
            version: attempt.directory.version,
            sent: 10,
            skipped: 0,
            dead: Vec::new(),
        };
        let settled = journal
            .write(move |tx| {
                let sink = sinks::present(tx.connection, "s")?;
                let (done, steps) = measure(|| settle::settle(tx, &sink, &settlement, None));
                done.map(|()| steps)
            })
            .await
            .unwrap();
        seen + settled
    };
    assert_flat(costs(cost).await, "turn");
}

/// References are removed as they are passed, without reading those behind.
#[tokio::test]
async fn a_turn_of_a_replay_costs_the_same_however_much_is_replayed() {
    let cost = |journal: Journal| async move {
        pass(&journal, "passed", &live()).await;
        let request = Request::Replay { sink: "passed".into(), org: None, since: None, until: None };
        let number = journal.ask(request).await.unwrap();
        journal.serve(number).await.unwrap();
        let limit = crate::journal::BatchLimit { records: 10, ..MANY };
        let attempt = journal.read("passed", &super::support::replayed(), limit).await.unwrap().unwrap();
        let settlement = Settlement {
            sink: "passed".into(),
            partition: super::support::replayed(),
            from: attempt.from,
            to: attempt.to,
            version: attempt.directory.version,
            sent: 10,
            skipped: 0,
            dead: Vec::new(),
        };
        let settled = journal
            .write(move |tx| {
                let sink = sinks::present(tx.connection, "passed")?;
                let (done, steps) = measure(|| settle::settle(tx, &sink, &settlement, None));
                done.map(|()| steps)
            })
            .await
            .unwrap();
        settled + look(&journal, |view| sinks::backlogs(view.connection, "passed")).await
    };
    assert_flat(costs(cost).await, "turn of a replay");
}

/// A record without a date is looked for under every day, but not among all keys of a day.
#[tokio::test]
async fn an_undated_record_costs_the_same_however_many_keys_are_kept() {
    let cost = |journal: Journal| async move {
        look(&journal, |view| seen::contains(view.connection, 1, UNDATED, &seen::key(&["unseen"]))).await
    };
    assert_flat(costs(cost).await, "undated record");
}

/// A full journal whose sink is down refuses each page at once.
#[tokio::test]
async fn a_refused_page_costs_the_same_whatever_fills_the_journal() {
    let cost = |journal: Journal| async move {
        journal
            .write(|tx| {
                let (done, steps) = measure(|| trim::early(tx));
                done.map(|()| steps)
            })
            .await
            .unwrap()
    };
    assert_flat(costs(cost).await, "refusal");
}

/// The number of read connections is bounded, and one that waits for a place gets its turn.
#[tokio::test(flavor = "multi_thread")]
async fn many_readers_at_once_share_a_few_connections() {
    let place = Place::new();
    let journal = place.open();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let journal = journal.clone();
        tasks.spawn(async move {
            let slow = journal.look(|_| {
                std::thread::sleep(std::time::Duration::from_millis(5));
                Ok(())
            });
            slow.await.unwrap();
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let idle = journal.inner.idle_readers();
    assert!((1..=8).contains(&idle), "{idle} connections");
    let failed: Result<(), _> =
        journal.look(|view| Ok(view.connection.execute_batch("COMMIT; BEGIN; nonsense")?)).await;
    assert!(failed.is_err());
    journal.recall("x").await.unwrap();
}
