//! Journal to OTLP, beside the HTTP client alone with the same requests, encoded already, to the same receiver: as they were
//! compressed by vintner, and compressed anew.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use vintner::secret::Secret;
use vintner::sink::otlp::{Body, Compression, Headers, OtlpSink, Protocol, Settings, Tls};

use crate::table::Table;
use crate::{World, timed};

/// What stands before a message over gRPC.
const PREFIX_BYTES: usize = 5;
/// As the sink has it by default.
const CONCURRENCY: u32 = 4;

/// A receiver and the requests for it.
pub(crate) struct Setup {
    protocol: Protocol,
    name: &'static str,
    endpoint: String,
    requests: Arc<Vec<Request>>,
    _receiver: JoinSet<()>,
}

/// A request as vintner sent it.
struct Request {
    path: String,
    headers: reqwest::header::HeaderMap,
    body: Bytes,
    /// The message in it.
    plain: Bytes,
}

/// What the client alone does with the requests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Replay {
    /// Sends them as they are.
    Sends,
    /// Compresses each before it sends it.
    CompressesAndSends,
}

type Seen = Arc<Mutex<Vec<Request>>>;

struct NoHeaders;

impl Headers for NoHeaders {
    fn headers(&self) -> Result<Vec<(String, Secret)>, String> {
        Ok(Vec::new())
    }
}

impl Setup {
    /// One for each protocol; a real receiver is spoken to by gRPC.
    pub(crate) async fn all(world: &mut World) -> Vec<Self> {
        let real = std::env::var("VINTNER_BENCH_OTLP").ok();
        let grpc = Self::of(world, Protocol::Grpc, "otlp grpc", real.as_deref()).await;
        if real.is_some() {
            return vec![grpc];
        }
        vec![grpc, Self::of(world, Protocol::Http, "otlp http", None).await]
    }

    /// The requests are those that vintner sends to the receiver in this process.
    async fn of(world: &mut World, protocol: Protocol, name: &'static str, real: Option<&str>) -> Self {
        let (seen, listener) = (Seen::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let own = format!("http://{}", listener.local_addr().unwrap());
        let recording = serve(listener, protocol, Some(Arc::clone(&seen)));
        world.drain(OtlpSink::new(settings(world, protocol, &own))).await;
        drop(recording);
        let requests = Arc::new(std::mem::take(&mut *seen.lock().unwrap()));
        let bytes: usize = requests.iter().map(|request| request.body.len()).sum();
        println!("{name}: {} requests, {:.1} MB compressed", requests.len(), bytes as f64 / 1e6);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let receiver = serve(listener, protocol, None);
        let endpoint = real.map_or(own, str::to_owned);
        Self { protocol, name, endpoint, requests, _receiver: receiver }
    }

    pub(crate) async fn round(&self, world: &mut World, table: &mut Table) {
        let (_, own) = world.drain(OtlpSink::new(settings(world, self.protocol, &self.endpoint))).await;
        let sending = timed(self.replay(Replay::Sends)).await;
        let raw = timed(self.replay(Replay::CompressesAndSends)).await;
        let raw_name = format!("{}: compression and the client alone", self.name);
        table.add(&format!("{}: the client alone", self.name), Some(&raw_name), sending);
        table.add(&raw_name, None, raw);
        table.add(&format!("{}: journal", self.name), Some(&raw_name), own);
    }

    /// Sends the same requests, as many at once as the sink does.
    async fn replay(&self, how: Replay) {
        let mut builder = reqwest::Client::builder().no_proxy();
        if self.protocol == Protocol::Grpc {
            builder = builder.http2_prior_knowledge();
        }
        let client = builder.build().unwrap();
        let next = Arc::new(AtomicUsize::new(0));
        let mut senders = JoinSet::new();
        for _ in 0..CONCURRENCY {
            let (client, next, requests) = (client.clone(), Arc::clone(&next), Arc::clone(&self.requests));
            let (endpoint, protocol) = (self.endpoint.clone(), self.protocol);
            senders.spawn(async move {
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let body = match how {
                        Replay::Sends => request.body.clone(),
                        Replay::CompressesAndSends => {
                            let plain = request.plain.clone();
                            tokio::task::spawn_blocking(move || framed(protocol, compressed(&plain))).await.unwrap()
                        }
                    };
                    let sent = client.post(format!("{endpoint}{}", request.path)).headers(request.headers.clone());
                    let answer = sent.body(body).send().await.unwrap();
                    assert!(answer.status().is_success());
                    answer.bytes().await.unwrap();
                }
            });
        }
        senders.join_all().await;
    }
}

fn settings(world: &World, protocol: Protocol, endpoint: &str) -> Settings {
    Settings {
        endpoint: endpoint.parse().unwrap(),
        protocol,
        compression: Compression::Gzip,
        concurrency: CONCURRENCY,
        headers: Arc::new(NoHeaders),
        tls: Tls::default(),
        body: Body::Structured,
        clock: world.clock.clone(),
    }
}

/// A receiver that reads requests and answers that it took them.
fn serve(listener: TcpListener, protocol: Protocol, seen: Option<Seen>) -> JoinSet<()> {
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(connection(stream, protocol, seen.clone()));
        }
    });
    server
}

async fn connection(stream: TcpStream, protocol: Protocol, seen: Option<Seen>) {
    let service = service_fn(move |request| answer(request, protocol, seen.clone()));
    let stream = TokioIo::new(stream);
    // A client that goes away ends the connection.
    match protocol {
        Protocol::Http => drop(hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await),
        Protocol::Grpc => {
            let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            // As gRPC servers have them.
            builder.initial_stream_window_size(1 << 20).initial_connection_window_size(4 << 20);
            drop(builder.serve_connection(stream, service).await);
        }
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    protocol: Protocol,
    seen: Option<Seen>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    // The first request is the health check.
    if let Some(seen) = seen.filter(|_| body.len() > 100) {
        let mut headers = head.headers;
        for name in ["host", "content-length", "user-agent", "accept"] {
            headers.remove(name);
        }
        seen.lock().unwrap().push(Request {
            path: head.uri.path().to_owned(),
            headers,
            plain: message(protocol, &body),
            body,
        });
    }
    let builder = hyper::Response::builder();
    let built = match protocol {
        Protocol::Http => builder.body(Full::default()),
        Protocol::Grpc => builder.header("grpc-status", 0).body(Full::new(Bytes::from_static(&[0; 5]))),
    };
    Ok(built.unwrap())
}

/// The message in a body that vintner compressed.
fn message(protocol: Protocol, body: &Bytes) -> Bytes {
    let compressed = if protocol == Protocol::Grpc { body.slice(PREFIX_BYTES..) } else { body.clone() };
    let mut plain = Vec::new();
    GzDecoder::new(&compressed[..]).read_to_end(&mut plain).unwrap();
    plain.into()
}

fn compressed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// A compressed message as a body: over gRPC with a flag and its length before it.
fn framed(protocol: Protocol, message: Vec<u8>) -> Bytes {
    if protocol == Protocol::Http {
        return message.into();
    }
    let length = u32::try_from(message.len()).unwrap();
    [&[1], &length.to_be_bytes()[..], &message].concat().into()
}
