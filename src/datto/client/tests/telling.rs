//! What operators read (contract.md section 5), and that no secret is ever among it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing_subscriber::fmt::MakeWriter;

use super::look;
use crate::datto::error::ClientError;
use crate::datto::lane::Lane;
use crate::datto::retry::Patience;
use crate::datto::testing::{LOGIN, OPEN_ALERTS, RATE, SECRET, World, html, json, throttled};
use crate::datto::{ConnectFailure, TransportError};

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

fn refused() -> TransportError {
    TransportError::Connect { failure: ConnectFailure::Connection, words: "Connection refused".to_owned() }
}

/// An API out of reach: one warning at the first failed request, with host, port, cause, next try and what to look at.
#[tokio::test(start_paused = true)]
async fn an_outage_is_reported_at_its_first_failure_and_at_its_end() {
    let (lines, _guard) = Lines::capture();
    let world = World::new();
    let client = world.client().await;
    world.script.next(LOGIN, (0..5).map(|_| Err(refused())).chain([Ok(json(503, "busy"))]));
    let begin = Instant::now();
    let (mut calling, caller) = (JoinSet::new(), client.clone());
    calling.spawn(async move { look(&caller).await });
    sleep(Duration::from_millis(1)).await;
    let told = lines.with("cannot be reached");
    assert_eq!(told.len(), 1, "{told:?}");
    for part in ["WARN", "acme", "merlot-api.centrastage.net:443", "Connection refused", "retry_in=", "firewalls"] {
        assert!(told[0].contains(part), "{part} is not in {}", told[0]);
    }
    let outage = client.state().outage.expect("an outage");
    assert!(outage.next_try > Some(world.clock.now()) && outage.error.contains(":443: no connection"), "{outage:?}");
    let error = calling.join_next().await.expect("one").expect("no panic").expect_err("given up");
    assert!(matches!(&error, ClientError::Unreachable { attempts: 5, .. }), "{error}");
    assert!(begin.elapsed() > Duration::from_secs(30));
    assert_eq!(client.state().outage.expect("still").next_try, None);
    look(&client).await.expect("the third login");
    let told = lines.with("WARN vintner::datto::reach");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(lines.with("can be reached again").len(), 1);
    assert_eq!(client.state().outage, None);
}

/// Somebody waits before a terminal: one try, and the caller says why. A list that is half read is tried again.
#[tokio::test(start_paused = true)]
async fn a_command_tries_once_and_logs_nothing_twice() {
    let (lines, _guard) = Lines::capture();
    for (patience, later) in [(Patience::Once, 1), (Patience::OnceAtFirst, 5)] {
        let mut world = World::new();
        world.settings.patience = patience;
        let client = world.client().await;
        let begin = Instant::now();
        for reply in [Err(refused()), Ok(json(502, "")), Ok(json(401, "{}"))] {
            world.script.next(LOGIN, [reply]);
            let error = look(&client).await.expect_err("one try");
            assert!(!error.to_string().contains("again"), "{error}");
        }
        assert_eq!((world.script.count(LOGIN), begin.elapsed()), (3, Duration::ZERO));
        sleep(Duration::from_mins(6)).await;
        look(&client).await.expect("an answer");
        world.script.next(OPEN_ALERTS, (0..5).map(|_| Ok(json(503, ""))));
        let error = look(&client).await.expect_err("no answer");
        assert!(matches!(error, ClientError::Failed { attempts, .. } if attempts == later), "{error}");
    }
    let warnings = lines.with("WARN").into_iter().filter(|line| !line.contains("datto::skew"));
    assert_eq!(warnings.collect::<Vec<_>>(), Vec::<String>::new());
}

/// What no repetition mends is not repeated.
#[tokio::test(start_paused = true)]
async fn a_certificate_that_is_not_trusted_is_asked_for_once() {
    let world = World::new();
    let client = world.client().await;
    let words = "invalid peer certificate: UnknownIssuer".to_owned();
    world.script.next(LOGIN, [Err(TransportError::Connect { failure: ConnectFailure::Certificate, words })]);
    let error = look(&client).await.expect_err("refused");
    assert!(error.to_string().contains("UnknownIssuer (tries: 1); for a gateway or proxy that opens TLS"), "{error}");
    assert_eq!(world.script.count(LOGIN), 1);
}
