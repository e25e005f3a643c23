//! The gRPC half: framing, trailers, statuses and their details.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message;
use tokio::task::JoinSet;

use super::super::answer::{Delay, Detail, RetryInfo, Status};
use super::super::{Compression, OtlpSink, Protocol, compress};
use super::super::{Headers, Settings};
use super::{events, ids, ids_of, settings, sink};
use crate::secret::Secret;
use crate::sink::{Sink, SinkError};

/// How the receiver answers: its gRPC status, the text, and the details.
type Answer = (u16, &'static str, Option<Status>);

#[derive(Clone, Default)]
struct Receiver {
    script: Arc<Mutex<VecDeque<Answer>>>,
    taken: Arc<Mutex<Vec<String>>>,
    headers: Arc<Mutex<Vec<HeaderMap>>>,
}

struct Own;

impl Headers for Own {
    fn headers(&self) -> Result<Vec<(String, Secret)>, String> {
        Ok(vec![("x-scope-bin".into(), Secret::new("M\u{fc}nchen?")), ("x-scope".into(), Secret::new("a b"))])
    }
}

async fn run(script: Vec<Answer>, compression: Compression) -> (Receiver, OtlpSink, JoinSet<()>) {
    let (receiver, sink, server, _) = run_at(script, compression).await;
    (receiver, sink, server)
}

/// The same, with the receiver's address.
async fn run_at(script: Vec<Answer>, compression: Compression) -> (Receiver, OtlpSink, JoinSet<()>, String) {
    let receiver = Receiver { script: Arc::new(Mutex::new(script.into())), ..Receiver::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    let served = receiver.clone();
    server.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let receiver = served.clone();
            connections.spawn(async move {
                let service = service_fn(move |request| answer(receiver.clone(), request));
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                drop(builder.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    });
    (receiver, sink(&endpoint, Protocol::Grpc, compression), server, endpoint)
}

async fn answer(
    receiver: Receiver,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    assert_eq!(request.uri().path(), "/opentelemetry.proto.collector.logs.v1.LogsService/Export");
    assert_eq!(request.headers()["te"], "trailers");
    let encoding = request.headers().get("grpc-encoding").map_or("", |value| value.to_str().unwrap()).to_owned();
    receiver.headers.lock().unwrap().push(request.headers().clone());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let message = compress::decode(&encoding, &body[5..], 100 << 20).unwrap();
    let ids = ids_of(&ExportLogsServiceRequest::decode(message.as_slice()).unwrap());
    let (code, text, details) = receiver.script.lock().unwrap().pop_front().unwrap_or((0, "", None));
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code));
    trailers.insert("grpc-message", HeaderValue::from_static(text));
    if let Some(details) = details {
        let name = HeaderName::from_static("grpc-status-details-bin");
        trailers.insert(name, HeaderValue::from_str(&base64(&details.encode_to_vec())).unwrap());
    }
    let mut response = hyper::Response::builder();
    let body = if code == 0 {
        receiver.taken.lock().unwrap().extend(ids);
        // Answers are compressed as the request was.
        response = response.header("grpc-encoding", encoding.as_str());
        [&[u8::from(!encoding.is_empty())][..], &empty(&encoding)].concat()
    } else {
        Vec::new()
    };
    let trailing = async move { Some(Ok(trailers)) };
    Ok(response.body(Full::new(Bytes::from(body)).with_trailers(trailing)).unwrap())
}

/// Length and bytes of an empty message.
fn empty(encoding: &str) -> Vec<u8> {
    let compression = match encoding {
        "gzip" => Compression::Gzip,
        "zstd" => Compression::Zstd,
        _ => Compression::None,
    };
    let bytes = compression.encode(Vec::new()).unwrap();
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[((bits >> (18 - 6 * digit)) & 63) as usize]));
        }
    }
    text
}

#[tokio::test]
async fn everything_arrives_in_order_in_every_encoding() {
    for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
        let (receiver, mut sink, _server) = run(vec![], compression).await;
        assert_eq!(sink.deliver(&events(50)).await.unwrap().refused, []);
        assert_eq!(*receiver.taken.lock().unwrap(), ids(&events(50)));
    }
}

#[tokio::test]
async fn a_receiver_says_when_to_come_again() {
    let value = RetryInfo { delay: Some(Delay { seconds: 9, nanos: 0 }) }.encode_to_vec();
    let detail = Detail { type_url: "type.googleapis.com/google.rpc.RetryInfo".into(), value };
    let status = Status { code: 8, message: "busy".into(), details: vec![detail] };
    let (_, mut sink, _server) = run(vec![(8, "busy", Some(status))], Compression::Gzip).await;
    let error = sink.deliver(&events(2)).await.unwrap_err();
    assert!(matches!(&error, SinkError::Later { after, .. } if *after == Duration::from_secs(9)), "{error:?}");
    assert!(error.to_string().contains("RESOURCE_EXHAUSTED: busy"), "{error}");
}

#[tokio::test]
async fn too_much_at_once_goes_in_halves_and_in_order() {
    let (receiver, mut sink, _server) =
        run(vec![(8, "too large", None), (8, "too large", None)], Compression::Gzip).await;
    assert_eq!(sink.deliver(&events(8)).await.unwrap().refused, []);
    assert_eq!(*receiver.taken.lock().unwrap(), ids(&events(8)));
}

#[tokio::test]
async fn a_missing_right_gives_nothing_up() {
    let (receiver, mut sink, _server) = run(vec![(16, "no%20token", None)], Compression::Gzip).await;
    let error = sink.deliver(&events(2)).await.unwrap_err();
    assert!(error.to_string().contains("UNAUTHENTICATED: no token"), "{error}");
    sink.deliver(&events(2)).await.unwrap();
    assert_eq!(*receiver.taken.lock().unwrap(), ids(&events(2)));
}

#[tokio::test]
async fn a_binary_header_goes_in_base64_and_the_others_as_they_are() {
    let (receiver, _sink, _server, endpoint) = run_at(vec![], Compression::None).await;
    let settings = Settings { headers: Arc::new(Own), ..settings(&endpoint, Protocol::Grpc, Compression::None) };
    OtlpSink::new(settings).deliver(&events(1)).await.unwrap();
    let headers = receiver.headers.lock().unwrap();
    assert_eq!(headers[0]["x-scope-bin"], base64("M\u{fc}nchen?".as_bytes()).trim_end_matches('='));
    assert_eq!(headers[0]["x-scope"], "a b");
}
