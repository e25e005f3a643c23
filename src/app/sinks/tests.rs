//! A sink whose deliverer panics: it is down for a while and then has everything.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Planned, keep_running};
use crate::app::parts::{Accounts, Shared};
use crate::clock::Clock;
use crate::config::load;
use crate::deliver::testing::{START, journal, take_in};
use crate::diagnostic::planted::plant;
use crate::journal::dead::DeadFilter;
use crate::telemetry::Metrics;

#[tokio::test(start_paused = true)]
async fn a_deliverer_that_panics_is_a_sink_that_is_down_and_a_record_that_panics_is_a_dead_letter() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::manual(START));
    let file = folder.path().join("events.ndjson");
    let text = format!(
        "[accounts.a]\nplatform = \"vidal\"\napi_key = {{ env = \"K\" }}\napi_secret = {{ env = \"S\" }}\n\
         [sinks.file.panicking-sink]\npath = {file:?}\n"
    );
    let config = load::from_text(&folder.path().join("test.toml"), &text).unwrap().config;
    let planned = Planned::new(config.sinks[0].clone());
    let journal = journal(folder.path(), &clock, &["panicking-sink"]).await;
    take_in(&journal, 88_000, 5).await;
    plant("mapping", "88002", u32::MAX);
    plant("turn", "panicking-sink", 3);

    let (metrics, stop, (_hangups, reopen)) = (Metrics::default(), CancellationToken::new(), watch::channel(0));
    let deliverer = planned.deliverer(journal.clone(), clock.clone(), metrics.clone()).unwrap();
    let shared = Shared { journal: journal.clone(), clock, metrics, accounts: Accounts::default() };
    let running = keep_running(planned.clone(), deliverer, shared.clone(), stop.clone(), reopen);
    let watching = async {
        // Pauses of 1, 2, 4 seconds.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (_, reason) = planned.status.get().failing.expect("it is down while it pauses");
        assert!(reason.contains("a panic at") && !reason.contains("planted for"), "{reason}");
        while planned.status.get().sent < 4 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(planned.status.get().failing, None);
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(running, watching);
    ended.unwrap();

    let lines = std::fs::read_to_string(&file).unwrap();
    assert_eq!(lines.lines().count(), 4, "the others arrive");
    let letters = journal.dead_letters(DeadFilter::default()).await.unwrap();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].content.contains("88002") && letters[0].reason.contains("a panic at"), "{letters:?}");
    assert!(!letters[0].reason.contains("planted for"), "{letters:?}");
    let text = shared.metrics.render();
    assert!(text.contains(r#"vintner_task_restarts_total{task="sink",name="panicking-sink"} 3"#), "{text}");
}
