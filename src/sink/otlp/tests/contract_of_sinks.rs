//! The sink contract over both protocols, on a receiver that misbehaves on demand.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::super::{Body, Compression, OtlpSink, Protocol, Settings, compress};
use super::{id_of, settings, text_of};
use crate::event::Event;
use crate::sink::contract::{self, Arrived, Cannot, Destination};

/// A body that holds this is refused.
const POISON: &str = "no receiver takes this";

/// How the receiver behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    LosesAnswers,
    StandsStill,
    Stumbles,
}

#[derive(Clone)]
struct Shared {
    taken: Arc<Mutex<Vec<Arrived>>>,
    mood: watch::Sender<Mood>,
}

/// A receiver of one protocol at one address, which stays its own over absences.
struct Receiver {
    protocol: Protocol,
    address: SocketAddr,
    shared: Shared,
    server: Mutex<Option<JoinSet<()>>>,
}

impl Receiver {
    async fn start(protocol: Protocol) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared { taken: Arc::default(), mood: watch::Sender::new(Mood::Well) };
        let server = serve(listener, protocol, &shared);
        Self { protocol, address, shared, server: Mutex::new(Some(server)) }
    }
}

fn serve(listener: TcpListener, protocol: Protocol, shared: &Shared) -> JoinSet<()> {
    let shared = shared.clone();
    let mut server = JoinSet::new();
    server.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(connection(stream, protocol, shared.clone()));
        }
    });
    server
}

async fn connection(stream: TcpStream, protocol: Protocol, shared: Shared) {
    let service = service_fn(move |request| answer(request, protocol, shared.clone()));
    let stream = TokioIo::new(stream);
    // A sink that drops a request breaks its connection.
    match protocol {
        Protocol::Http => drop(hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await),
        Protocol::Grpc => {
            drop(
                hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await,
            );
        }
    }
}

type Answered = Result<hyper::Response<Full<Bytes>>, std::io::Error>;

async fn answer(request: hyper::Request<Incoming>, protocol: Protocol, shared: Shared) -> Answered {
    let name = if protocol == Protocol::Grpc { "grpc-encoding" } else { "content-encoding" };
    let encoding = request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    let message = if protocol == Protocol::Grpc { &body[5..] } else { &body[..] };
    let decoded = compress::decode(&encoding, message, 100 << 20).unwrap();
    let records = records(&decoded);
    let mut mood = shared.mood.subscribe();
    mood.wait_for(|mood| *mood != Mood::StandsStill).await.map_err(std::io::Error::other)?;
    if *mood.borrow() == Mood::Stumbles {
        return Ok(response(protocol, 14, 503));
    }
    if records.iter().any(|record| record.body.contains(POISON)) {
        return Ok(response(protocol, 3, 400));
    }
    shared.taken.lock().unwrap().extend(records);
    if *shared.mood.borrow() == Mood::LosesAnswers {
        return Err(std::io::Error::other("the answer is lost on purpose"));
    }
    Ok(response(protocol, 0, 200))
}

fn response(protocol: Protocol, code: u16, status: u16) -> hyper::Response<Full<Bytes>> {
    let builder = hyper::Response::builder();
    let built = match protocol {
        Protocol::Http => builder.status(status).body(Full::default()),
        // An answer may have its status among the headers; five bytes frame an empty message.
        Protocol::Grpc => builder.header("grpc-status", code).body(Full::new(Bytes::from_static(&[0; 5]))),
    };
    built.unwrap()
}

fn records(decoded: &[u8]) -> Vec<Arrived> {
    let request = ExportLogsServiceRequest::decode(decoded).unwrap();
    let records =
        request.resource_logs.into_iter().flat_map(|logs| logs.scope_logs).flat_map(|scope| scope.log_records);
    let arrived = |record: LogRecord| Arrived { id: id_of(&record), body: text_of(&record).unwrap_or_default() };
    records.map(arrived).collect()
}

impl Destination for Receiver {
    type Sink = OtlpSink;

    fn sink(&self) -> OtlpSink {
        let endpoint = format!("http://{}", self.address);
        OtlpSink::new(Settings { body: Body::Json, ..settings(&endpoint, self.protocol, Compression::Gzip) })
    }

    async fn arrived(&self) -> Vec<Arrived> {
        self.shared.taken.lock().unwrap().clone()
    }

    fn poisoned(&self, event: Event) -> Result<Event, Cannot> {
        Ok(Event { json: format!("{{\"text\":\"{POISON}\"}}"), ..event })
    }

    async fn lose_answers(&self) -> Result<(), Cannot> {
        self.shared.mood.send_replace(Mood::LosesAnswers);
        Ok(())
    }

    async fn stand_still(&self) -> Result<(), Cannot> {
        self.shared.mood.send_replace(Mood::StandsStill);
        Ok(())
    }

    async fn stumble(&self) -> Result<(), Cannot> {
        self.shared.mood.send_replace(Mood::Stumbles);
        Ok(())
    }

    async fn hold_back(&self) -> Result<(), Cannot> {
        self.stand_still().await
    }

    async fn go_away(&self) -> Result<&'static str, Cannot> {
        let server = self.server.lock().unwrap().take();
        if let Some(mut server) = server {
            server.shutdown().await;
        }
        Ok("no connection")
    }

    async fn recover(&self) {
        self.shared.mood.send_replace(Mood::Well);
        if self.server.lock().unwrap().is_none() {
            let listener = TcpListener::bind(self.address).await.unwrap();
            *self.server.lock().unwrap() = Some(serve(listener, self.protocol, &self.shared));
        }
    }
}

#[tokio::test]
async fn http_keeps_the_contract_of_sinks() {
    contract::check(&Receiver::start(Protocol::Http).await).await;
}

#[tokio::test]
async fn grpc_keeps_the_contract_of_sinks() {
    contract::check(&Receiver::start(Protocol::Grpc).await).await;
}
