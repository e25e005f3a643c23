//! Over real sockets, in real time: what the in-process form cannot show.

use std::io::{ErrorKind, Read};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::*;
use crate::sim::fault::{Fault, Rule};
use crate::sim::serve::{ServeError, serve};

/// A served world, and a plain client.
struct Served {
    sim: Sim,
    address: String,
    server: JoinSet<Result<(), ServeError>>,
    stop: oneshot::Sender<()>,
}

impl Served {
    async fn start() -> Self {
        let sim = Sim::new(Options { open_alerts: 30, ..Options::quiet() }, Clock::system());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, sim.clone(), async { stopped.await.unwrap_or_default() }));
        Self { sim, address, server, stop }
    }

    /// Sends `request` and reads until the connection ends: head, body, and how it ended.
    async fn send(&self, request: &str) -> (String, Vec<u8>, std::io::Result<()>) {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request.replace('\n', "\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer).await.map(|_| ());
        let split = answer.windows(4).position(|window| window == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
        let body = answer.split_off(split);
        (String::from_utf8(answer).unwrap().to_lowercase(), body, end)
    }

    async fn get(&self, path: &str, more: &str) -> (String, Vec<u8>, std::io::Result<()>) {
        let token = login(&self.sim).unwrap();
        let host = &self.address;
        let head =
            format!("GET {path} HTTP/1.1\nHost: {host}\nAuthorization: Bearer {token}\nConnection: close\n{more}\n");
        self.send(&head).await
    }

    async fn stop(mut self) {
        self.stop.send(()).unwrap();
        self.server.join_next().await.unwrap().unwrap().unwrap();
        assert!(TcpStream::connect(&self.address).await.is_err(), "nobody listens any more");
    }
}

const OPEN: &str = "/api/v2/account/alerts/open?max=10";

#[tokio::test]
async fn a_client_logs_in_and_reads_with_links_to_its_own_host() {
    let served = Served::start().await;
    let length = FORM.len();
    let head = format!(
        "POST /auth/oauth/token HTTP/1.1\nHost: x\nAuthorization: {BASIC}\nConnection: close\nContent-Length: {length}\n\n"
    );
    let (head, body, _) = served.send(&format!("{head}{FORM}")).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(serde_json::from_slice::<Value>(&body).unwrap()["access_token"].is_string());
    let (head, body, _) = served.get(OPEN, "").await;
    assert!(head.contains("content-type: application/json") && !head.contains("content-encoding"), "{head}");
    let page: Value = serde_json::from_slice(&body).unwrap();
    let next = format!("http://{}/api/v2/account/alerts/open?max=10&page=1", served.address);
    assert_eq!(page["pageDetails"]["nextPageUrl"], next);
    served.stop().await;
}

#[tokio::test]
async fn an_answer_is_zipped_for_those_who_take_it() {
    let served = Served::start().await;
    let (head, body, _) = served.get(OPEN, "Accept-Encoding: br, gzip;q=0.5\n").await;
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(body.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["pageDetails"]["count"], 10);
    served.stop().await;
}

#[tokio::test]
async fn connections_break_as_asked() {
    let served = Served::start().await;
    served.sim.add_faults(vec![
        Rule::new(Fault::Reset).on("/api").times(1),
        Rule { bytes: Some(100), ..Rule::new(Fault::Truncate).on("/api").times(1) },
    ]);
    let (head, _, end) = served.get(OPEN, "").await;
    assert_eq!((head.as_str(), end.unwrap_err().kind()), ("", ErrorKind::ConnectionReset));
    let (head, body, _) = served.get(OPEN, "").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(body.len(), 100);
    let promised: usize = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
    assert!(promised > 1000, "the head promises the whole body: {promised}");
    let (_, body, end) = served.get(OPEN, "").await;
    assert!(end.is_ok() && serde_json::from_slice::<Value>(&body).is_ok());
    served.stop().await;
}

#[tokio::test]
async fn a_body_trickles_in_whole() {
    let served = Served::start().await;
    served.sim.add_faults(vec![Rule { millis: Some(200), ..Rule::new(Fault::SlowBody) }]);
    let begun = tokio::time::Instant::now();
    let (_, body, _) = served.get(OPEN, "").await;
    assert!(begun.elapsed() >= Duration::from_millis(190), "{:?}", begun.elapsed());
    assert!(serde_json::from_slice::<Value>(&body).is_ok());
    served.stop().await;
}

#[tokio::test]
async fn only_loopback_is_served() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let sim = Sim::new(Options::quiet(), Clock::system());
    let refused = serve(listener, sim, std::future::pending()).await;
    assert!(matches!(refused, Err(ServeError::NotLoopback(_))));
}

#[tokio::test]
async fn a_request_body_is_bounded() {
    let served = Served::start().await;
    let head = format!("POST /sim/events HTTP/1.1\nHost: x\nContent-Length: {}\n\n", 2 << 20);
    let (head, _, _) = served.send(&format!("{head}{}", " ".repeat(1 << 20) + "  ")).await;
    assert_eq!(head, "");
    served.stop().await;
}
