//! Slow, silent and too many clients of the admin listener.

use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::*;

/// Answers `/` at once and `/slow` never, until the test ends.
async fn served() -> (SocketAddr, CancellationToken, JoinSet<()>) {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (address, stop, mut serving) = (listener.local_addr().unwrap(), CancellationToken::new(), JoinSet::new());
    let routes = Router::new()
        .route("/", get(|| async { "answer" }))
        .route("/slow", get(|| async { std::future::pending::<()>().await }));
    let stopped = stop.clone();
    serving.spawn(async move { listener.serve(routes, stopped).await });
    (address, stop, serving)
}

/// Sends `text` and stays.
async fn client(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

async fn ask(address: SocketAddr, host: &str) -> String {
    let mut stream = client(address, &format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

async fn stopped_within(limit: Duration, stop: &CancellationToken, mut serving: JoinSet<()>) {
    let began = Instant::now();
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(20), serving.join_next()).await.unwrap();
    assert!(began.elapsed() < limit, "the stop took {:?}", began.elapsed());
}

#[tokio::test]
async fn a_stop_waits_for_no_client() {
    let (address, stop, serving) = served().await;
    let idle = client(address, "").await;
    let half = client(address, "GET / HTTP/1.1\r\nHost: localh").await;
    let slow = client(address, "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(ask(address, "localhost").await.contains("answer"));
    stopped_within(Duration::from_secs(2), &stop, serving).await;
    drop((idle, half, slow));
}

#[tokio::test]
async fn silent_clients_keep_nobody_else_from_an_answer() {
    let (address, stop, serving) = served().await;
    let mut silent = Vec::new();
    for _ in 0..3 * MOST {
        silent.push(client(address, "GET /").await);
    }
    let began = Instant::now();
    assert!(ask(address, "127.0.0.1").await.contains("answer"));
    assert!(began.elapsed() < Duration::from_secs(2), "the answer took {:?}", began.elapsed());
    let mut byte = [0];
    assert_eq!(silent[0].read(&mut byte).await.unwrap_or(0), 0, "the oldest was closed");
    stopped_within(Duration::from_secs(2), &stop, serving).await;
}

#[tokio::test]
async fn a_client_that_sends_no_whole_header_is_closed_after_a_while() {
    let (address, stop, serving) = served().await;
    for text in ["", "GET / HTTP/1.1\r\n"] {
        let mut stream = client(address, text).await;
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(2 * HEADER, stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{text:?} is still open");
    }
    stopped_within(Duration::from_secs(2), &stop, serving).await;
}

#[tokio::test]
async fn a_loopback_listener_answers_nobody_who_asks_for_another_host() {
    let (address, _stop, _serving) = served().await;
    let refused = ask(address, "evil.example").await;
    assert!(refused.starts_with("HTTP/1.1 421") && !refused.contains("answer\n"), "{refused}");
    assert!(ask(address, &address.to_string()).await.starts_with("HTTP/1.1 200"));
}
