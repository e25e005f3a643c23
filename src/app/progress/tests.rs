//! A first pass that takes minutes, in paused time.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use super::*;
use crate::app::testing::Fixture;
use crate::sim::world::Options as World;

/// Collects log lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn with(&self, part: &str) -> Vec<String> {
        let bytes = self.0.lock().unwrap();
        String::from_utf8_lossy(&bytes).lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }
}

/// Thousands of pages: more than the budget of several minutes.
fn large() -> World {
    World { sites: 4, devices: 40, open_alerts: 8000, resolved_alerts: 8, page_cap: 4, ..World::quiet() }
}

#[tokio::test(start_paused = true)]
async fn a_long_first_pass_logs_a_line_a_minute_and_then_none() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut fixture = Fixture::new("acme", large(), "").await;
    let (accounts, stop) = (vec![fixture.task.clone()], CancellationToken::new());
    fixture.start();
    let mut watching = JoinSet::new();
    watching.spawn(watch(accounts, Vec::new(), Form::Log, stop));
    tokio::time::sleep(Duration::from_secs(185)).await;
    let logged = lines.with("first pass under way");
    assert_eq!(logged.len(), 3, "{logged:?}");
    for part in ["account=\"acme\"", "alerts ", " records", "requests=", "running_for=\"2 min\""] {
        assert!(logged[1].contains(part), "{part} is not in {}", logged[1]);
    }
    let running = [&fixture.task];
    let text = line(&running, &[]);
    assert!(text.starts_with("first pass of acme: alerts ") && text.contains("inventory"), "{text}");
    while !fixture.task.is_past_first_pass() {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    watching.join_next().await.unwrap().unwrap().unwrap();
    fixture.end().await;
}
