//! What operators read (contract.md section 5), and that no secret is ever among it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tracing_subscriber::fmt::MakeWriter;

use super::look;
use crate::datto::lane::Lane;
use crate::datto::testing::{LOGIN, OPEN_ALERTS, RATE, SECRET, World, html, json, throttled};

/// Collects log lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn capture() -> (Self, tracing::subscriber::DefaultGuard) {
        let lines = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(lines.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn with(&self, part: &str) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_is_told_once_with_the_wait_and_what_others_use() {
    let (lines, _guard) = Lines::capture();
    let world = World::new();
    world.script.foreign(120);
    let client = world.client().await;
    look(&client).await.expect("an answer");
    sleep(Duration::from_secs(61)).await;
    world.script.next(OPEN_ALERTS, [Ok(throttled(Some("30")))]);
    look(&client).await.expect("after the pause");
    let told = lines.with("429");
    assert_eq!(told.len(), 1, "{told:?}");
    for part in ["WARN", "acme", "wait_seconds=30", "calls_of_others_per_minute=\"120\"", "limit_per_minute=600"] {
        assert!(told[0].contains(part), "{part} is not in {}", told[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_block_is_told_once_and_its_end_too() {
    let (lines, _guard) = Lines::capture();
    let world = World::new();
    let client = world.client().await;
    world.script.next(LOGIN, [Ok(html(403))]);
    for _ in 0..20 {
        assert!(look(&client).await.is_err());
    }
    sleep(Duration::from_mins(5)).await;
    look(&client).await.expect("free again");
    let told = lines.with("blocks this address");
    assert_eq!(told.len(), 1, "{told:?}");
    for part in ["merlot-api.centrastage.net", "2026-11-20T22:10:45.000Z", "nothing is lost"] {
        assert!(told[0].contains(part), "{part} is not in {}", told[0]);
    }
    assert_eq!(lines.with("collecting goes on").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_is_told_once_for_each_try() {
    let (lines, _guard) = Lines::capture();
    let world = World::new();
    world.script.always(LOGIN, Some(json(401, r#"{"error":"unauthorized"}"#)));
    let client = world.client().await;
    for _ in 0..20 {
        assert!(look(&client).await.is_err());
    }
    let told = lines.with("refused the login");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("retry_at=2026-11-20T22:10:45.000Z"), "{}", told[0]);
}

/// Every kind of failure, each with an API that echoes the secrets: not one of them in a log, an error or a debug print.
#[tokio::test(start_paused = true)]
async fn no_secret_is_ever_told() {
    let (lines, _guard) = Lines::capture();
    let world = World::new();
    let echo = format!(r#"{{"error":"{SECRET}","error_description":"AK-of-tests token-1 {SECRET}","x":"{SECRET}"}}"#);
    let mut errors = Vec::new();
    let client = world.client().await;
    look(&client).await.expect("an answer");
    for status in [200, 302, 400, 404, 409, 418, 500] {
        world.script.always(OPEN_ALERTS, Some(json(status, &echo)));
        errors.extend(look(&client).await.err());
        let page = crate::datto::page::PageRequest::list("/v2/account/alerts/open", "alerts");
        errors.extend(client.page(Lane::Alerts, &page).await.err());
    }
    world.script.always(RATE, Some(json(503, &echo)));
    world.script.always(OPEN_ALERTS, Some(json(403, &echo)));
    errors.extend(look(&client).await.err());
    world.script.always(OPEN_ALERTS, Some(json(401, &echo)));
    world.script.always(LOGIN, Some(json(400, &echo)));
    errors.extend(look(&client).await.err());
    assert_eq!(errors.len(), 15, "{errors:?}");
    let shown = format!("{errors:?} {client:?} {:?} {:?}", client.state(), world.platform().await);
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    for secret in [SECRET, "AK-of-tests", "token-1"] {
        assert!(!shown.contains(secret) && !texts.join(" ").contains(secret), "{secret} in {shown}");
        assert_eq!(lines.with(secret), Vec::<String>::new());
    }
    assert!(!lines.with("refused the login").is_empty(), "the capture works");
}
