//! OTLP over gRPC: a receiver in this process, the sink before it, and the HTTP client alone with the requests that vintner encoded.

use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use prost::Message;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;
use vintner::clock::Clock;
use vintner::secret::Secret;
use vintner::sink::otlp::{Body as LogBody, Compression, Headers, OtlpSink, Protocol, Settings, Tls};

use crate::deliver::drained;
use crate::filled::Filled;

const PATH: &str = "opentelemetry.proto.collector.logs.v1.LogsService/Export";
/// A gRPC message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// Requests at once, as a configuration without a number has it.
const CONCURRENCY: u32 = 4;

/// Requests as they came in.
type Seen = Arc<Mutex<Vec<Bytes>>>;

/// A receiver.
pub(crate) struct Endpoint {
    url: Url,
    /// Of a receiver in this process.
    own: Option<(Seen, JoinSet<()>)>,
}

/// The requests that hold the whole journal: encoded, not compressed, with gRPC's prefix.
pub(crate) struct Requests(Vec<Bytes>);

/// Nothing authenticates here.
struct NoHeaders;

impl Endpoint {
    /// The receiver at `url`, else one in this process that confirms whatever it has read.
    pub(crate) async fn new(url: Option<&str>) -> Self {
        let Some(url) = url else { return Self::own().await };
        Self { url: Url::parse(url).expect("the address of the receiver"), own: None }
    }

    async fn own() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let seen = Seen::default();
        let (served, mut server) = (Arc::clone(&seen), JoinSet::new());
        server.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let seen = Arc::clone(&served);
                connections.spawn(async move {
                    let service = service_fn(move |request| confirm(Arc::clone(&seen), request));
                    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    drop(builder.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Self { url, own: Some((seen, server)) }
    }

    /// The sink, set up as a configuration with nothing but the endpoint and the compression has it.
    pub(crate) fn sink(&self, compression: Compression) -> OtlpSink {
        self.sink_with(compression, CONCURRENCY)
    }

    /// The same with so many requests at once.
    pub(crate) fn sink_with(&self, compression: Compression, concurrency: u32) -> OtlpSink {
        // Only what the latest sink sends is of interest.
        self.own.iter().for_each(|(seen, _)| seen.lock().unwrap().clear());
        OtlpSink::new(Settings {
            proxy: Arc::new(|| Ok(None)),
            endpoint: self.url.clone(),
            protocol: Protocol::Grpc,
            compression,
            headers: Arc::new(NoHeaders),
            concurrency,
            tls: Tls::default(),
            body: LogBody::default(),
            clock: Clock::system(),
        })
    }
}

/// The cheapest receiver: it reads a request and looks at nothing in it.
async fn confirm(
    seen: Seen,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<impl Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    seen.lock().unwrap().push(body);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(0));
    let answer = Full::new(Bytes::from_static(&[0; PREFIX_BYTES]));
    Ok(hyper::Response::new(answer.with_trailers(async move { Some(Ok(trailers)) })))
}

impl Requests {
    /// What vintner sends of the whole journal.
    pub(crate) async fn captured(filled: &mut Filled) -> Self {
        let endpoint = Endpoint::own().await;
        let count = filled.count();
        drained(&mut filled.runner(|_, _| endpoint.sink(Compression::None)).await, count).await;
        let all = endpoint.own.iter().flat_map(|(seen, _)| std::mem::take(&mut *seen.lock().unwrap()));
        // The first one is the health check's.
        let requests = Self(all.filter(|request| request.len() > PREFIX_BYTES).collect());
        assert_eq!(requests.records(), count, "each event is there once");
        requests
    }

    fn records(&self) -> usize {
        let records = |request: &Bytes| {
            let request = ExportLogsServiceRequest::decode(request.slice(PREFIX_BYTES..)).unwrap();
            let scopes = request.resource_logs.iter().flat_map(|logs| &logs.scope_logs);
            scopes.map(|scope| scope.log_records.len()).sum::<usize>()
        };
        self.0.iter().map(records).sum()
    }

    /// How long the HTTP client alone takes, once connected, to compress and post the requests, as many at once as the sink.
    pub(crate) async fn floor(&self, endpoint: &Endpoint, compression: Compression) -> Duration {
        // The only error means that a provider is already set, which serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
        let url = endpoint.url.join(PATH).unwrap();
        // An empty message.
        post(client.clone(), url.clone(), Bytes::from_static(&[0; PREFIX_BYTES]), compression).await;
        let began = Instant::now();
        let at_once = usize::try_from(CONCURRENCY).unwrap();
        let mut under_way = JoinSet::new();
        for request in self.0.iter().cloned() {
            if under_way.len() >= at_once {
                under_way.join_next().await.unwrap().unwrap();
            }
            let (client, url) = (client.clone(), url.clone());
            under_way.spawn(async move {
                let request = if compression == Compression::Gzip { zipped(&request) } else { request };
                post(client, url, request, compression).await;
            });
        }
        under_way.join_all().await;
        began.elapsed()
    }
}

/// One exchange, to the end of the answer.
async fn post(client: reqwest::Client, url: Url, request: Bytes, compression: Compression) {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("te", HeaderValue::from_static("trailers"));
    if compression == Compression::Gzip {
        headers.insert("grpc-encoding", HeaderValue::from_static("gzip"));
    }
    let response = client.post(url).headers(headers).body(request).send().await.unwrap();
    let in_headers = response.headers().get("grpc-status").cloned();
    let collected = reqwest::Body::from(response).collect().await.unwrap();
    let status = in_headers.or_else(|| collected.trailers()?.get("grpc-status").cloned());
    assert_eq!(status.expect("a gRPC status"), "0");
}

/// The same message compressed as the sink does it, in gRPC's frame.
fn zipped(request: &Bytes) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&request.slice(PREFIX_BYTES..)).unwrap();
    let message = encoder.finish().unwrap();
    let length = u32::try_from(message.len()).unwrap();
    [&[1][..], &length.to_be_bytes(), &message].concat().into()
}

impl Headers for NoHeaders {
    fn headers(&self) -> Result<Vec<(String, Secret)>, String> {
        Ok(Vec::new())
    }
}
