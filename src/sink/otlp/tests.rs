//! The OTLP sink against a receiver in the same process: every kind of answer, over both protocols.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body as AxumBody, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use tokio::task::JoinSet;

use super::{Body, Compression, Headers, OtlpSink, Protocol, Settings, Tls, compress};
use crate::clock::Clock;
use crate::event::Event;
use crate::record::EventId;
use crate::secret::Secret;
use crate::sink::lines::tests::event;
use crate::sink::{Delivered, Sink, SinkError};

mod contract_of_sinks;
mod fault;
mod grpc;
mod order;
mod stumble;
mod wire;

/// How the receiver answers one request.
#[derive(Clone, Debug)]
enum Answer {
    /// Takes it.
    Take,
    /// Takes it and hangs up without an answer.
    TakeAndHangUp,
    /// An HTTP status with headers.
    Http(u16, &'static [(&'static str, &'static str)]),
    /// Takes it but for so many.
    Partial(i64),
    /// Refuses requests that hold more than so many records.
    AtMost(usize),
    /// Refuses a request that holds the event with this number.
    Poison(u128),
}

#[derive(Clone, Default)]
struct Receiver {
    script: Arc<Mutex<VecDeque<Answer>>>,
    always: Arc<Mutex<Option<Answer>>>,
    taken: Arc<Mutex<Vec<String>>>,
    headers: Arc<Mutex<Vec<HeaderMap>>>,
}

struct Running {
    receiver: Receiver,
    sink: OtlpSink,
    _server: JoinSet<()>,
}

struct Token;

impl Headers for Token {
    fn headers(&self) -> Result<Vec<(String, Secret)>, String> {
        Ok(vec![("authorization".into(), Secret::new("Bearer s3cr3t"))])
    }
}

impl Receiver {
    fn ids(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }

    fn next(&self) -> Answer {
        let scripted = self.script.lock().unwrap().pop_front();
        scripted.or_else(|| self.always.lock().unwrap().clone()).unwrap_or(Answer::Take)
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response<AxumBody> {
    let is_grpc = headers["content-type"] == "application/grpc";
    let encoding = headers.get(if is_grpc { "grpc-encoding" } else { "content-encoding" });
    let encoding = encoding.map_or("identity", |value| value.to_str().unwrap());
    let message = if is_grpc { &body[5..] } else { &body[..] };
    let decoded = compress::decode(encoding, message, 100 << 20).unwrap();
    let request = ExportLogsServiceRequest::decode(decoded.as_slice()).unwrap();
    receiver.headers.lock().unwrap().push(headers.clone());
    let ids = ids_of(&request);
    let refuse = match receiver.next() {
        Answer::Take => None,
        Answer::TakeAndHangUp => {
            receiver.taken.lock().unwrap().extend(ids);
            panic!("the receiver hangs up on purpose");
        }
        Answer::Http(status, headers) => return plain(status, headers),
        Answer::Partial(rejected_log_records) => {
            receiver.taken.lock().unwrap().extend(ids.into_iter().skip(usize::try_from(rejected_log_records).unwrap()));
            let partial = ExportLogsPartialSuccess { rejected_log_records, error_message: "bad".into() };
            return success(ExportLogsServiceResponse { partial_success: Some(partial) });
        }
        Answer::AtMost(most) => (ids.len() > most).then_some(413),
        Answer::Poison(number) => ids.contains(&uuid::Uuid::from_u128(number).to_string()).then_some(400),
    };
    match refuse {
        Some(status) => plain(status, &[]),
        None => {
            receiver.taken.lock().unwrap().extend(ids);
            success(ExportLogsServiceResponse::default())
        }
    }
}

fn plain(status: u16, headers: &[(&str, &str)]) -> Response<AxumBody> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(AxumBody::empty()).unwrap()
}

fn success(response: ExportLogsServiceResponse) -> Response<AxumBody> {
    Response::new(AxumBody::from(response.encode_to_vec()))
}

fn ids_of(request: &ExportLogsServiceRequest) -> Vec<String> {
    let records = request.resource_logs.iter().flat_map(|logs| &logs.scope_logs).flat_map(|scope| &scope.log_records);
    records.map(id_of).collect()
}

fn id_of(record: &LogRecord) -> String {
    let value = record.attributes.iter().find(|pair| pair.key == "log.record.uid").unwrap().value.clone();
    let Some(Value::StringValue(id)) = value.unwrap().value else { panic!("no text") };
    id
}

fn text_of(record: &LogRecord) -> Option<String> {
    let Some(Value::StringValue(text)) = &record.body.as_ref()?.value else { return None };
    Some(text.clone())
}

/// A receiver over HTTP and a sink on it.
async fn run(script: Vec<Answer>, compression: Compression) -> Running {
    let receiver = Receiver { script: Arc::new(Mutex::new(script.into())), ..Receiver::default() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(receive).with_state(receiver.clone());
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, router).await.unwrap() });
    Running { receiver, sink: sink(&endpoint, Protocol::Http, compression), _server: server }
}

fn sink(endpoint: &str, protocol: Protocol, compression: Compression) -> OtlpSink {
    OtlpSink::new(settings(endpoint, protocol, compression))
}

fn settings(endpoint: &str, protocol: Protocol, compression: Compression) -> Settings {
    Settings {
        proxy: Arc::new(|| Ok(None)),
        endpoint: endpoint.parse().unwrap(),
        protocol,
        compression,
        concurrency: 4,
        headers: Arc::new(Token),
        tls: Tls::default(),
        body: Body::Structured,
        clock: Clock::system(),
    }
}

fn events(count: u128) -> Vec<Event> {
    (1..=count).map(|number| Event { id: EventId(uuid::Uuid::from_u128(number)), ..event("{}") }).collect()
}

fn ids(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.id.to_string()).collect()
}

#[tokio::test]
async fn everything_arrives_in_order_in_every_encoding() {
    for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
        let mut running = run(vec![], compression).await;
        let batch = events(50);
        assert_eq!(running.sink.deliver(&batch).await.unwrap().refused, []);
        assert_eq!(running.receiver.ids(), ids(&batch));
        let headers = running.receiver.headers.lock().unwrap();
        assert_eq!(headers[0]["authorization"], "Bearer s3cr3t");
    }
}

#[tokio::test]
async fn a_receiver_that_takes_little_gets_it_in_parts_and_in_order() {
    let mut running = run(vec![], Compression::None).await;
    *running.receiver.always.lock().unwrap() = Some(Answer::AtMost(3));
    let batch = events(20);
    assert_eq!(running.sink.deliver(&batch).await.unwrap().refused, []);
    assert_eq!(running.receiver.ids(), ids(&batch));
}

#[tokio::test]
async fn a_poison_record_is_named_and_the_others_arrive() {
    let mut running = run(vec![], Compression::Gzip).await;
    *running.receiver.always.lock().unwrap() = Some(Answer::Poison(13));
    let batch = events(20);
    let refused = running.sink.deliver(&batch).await.unwrap().refused;
    assert_eq!(refused.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [12]);
    let expected: Vec<_> = ids(&batch).into_iter().filter(|id| *id != batch[12].id.to_string()).collect();
    // The first one again, to show that the receiver takes others.
    assert_eq!(running.receiver.ids(), [&expected[..12], &expected[..1], &expected[12..]].concat());
}

#[tokio::test]
async fn a_receiver_that_refuses_everything_is_down_and_nothing_is_given_up() {
    let mut running = run(vec![], Compression::Gzip).await;
    *running.receiver.always.lock().unwrap() = Some(Answer::Http(400, &[]));
    let error = running.sink.deliver(&events(2)).await.unwrap_err();
    assert!(error.to_string().contains("takes no record"), "{error:?}");
}

#[tokio::test]
async fn what_speaks_of_the_connection_gives_nothing_up_and_is_asked_slowly() {
    for status in [401, 403, 404, 415, 302] {
        let mut running = run(vec![Answer::Http(status, &[])], Compression::Gzip).await;
        let error = running.sink.deliver(&events(2)).await.unwrap_err();
        assert!(matches!(&error, SinkError::Later { after, .. } if *after >= Duration::from_secs(10)), "{error:?}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        assert_eq!(running.sink.deliver(&events(2)).await.unwrap().refused, []);
    }
}

#[tokio::test]
async fn a_receiver_says_when_to_come_again() {
    let mut running = run(vec![Answer::Http(503, &[("retry-after", "7")])], Compression::Gzip).await;
    let error = running.sink.deliver(&events(2)).await.unwrap_err();
    assert!(matches!(&error, SinkError::Later { after, .. } if after.as_secs() == 7), "{error:?}");
}

#[tokio::test]
async fn a_lost_answer_leads_to_a_repeat_with_equal_ids() {
    let mut running = run(vec![Answer::TakeAndHangUp], Compression::Gzip).await;
    let batch = events(3);
    let error = running.sink.deliver(&batch).await.unwrap_err();
    assert!(matches!(error, SinkError::Retry(_)), "{error:?}");
    running.sink.deliver(&batch).await.unwrap();
    assert_eq!(running.receiver.ids(), [ids(&batch), ids(&batch)].concat());
}

#[tokio::test]
async fn a_partial_success_names_all_that_may_be_meant_together() {
    let mut running = run(vec![Answer::Partial(2)], Compression::Gzip).await;
    let delivered = running.sink.deliver(&events(5)).await.unwrap();
    let reason = "the receiver rejected 2 of 5 without naming them: bad".to_owned();
    assert_eq!(delivered, Delivered { refused: vec![], unnamed: vec![((0..5).collect(), reason)] });
    let mut all = run(vec![Answer::Partial(2)], Compression::Gzip).await;
    assert_eq!(all.sink.deliver(&events(2)).await.unwrap().refused.len(), 2, "all of a request are named one by one");
}

#[tokio::test]
async fn a_full_receiver_is_asked_again_before_a_record_is_given_up() {
    let mut running = run(vec![Answer::Http(429, &[]); 3], Compression::Gzip).await;
    assert_eq!(running.sink.deliver(&events(1)).await.unwrap().refused, []);
    assert_eq!(running.receiver.ids(), ids(&events(1)));
}

#[tokio::test]
async fn nobody_listens() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let mut sink = sink("http://127.0.0.1:1", protocol, Compression::Gzip);
        let error = sink.healthcheck().await.unwrap_err();
        assert!(error.to_string().contains("no connection"), "{error}");
        assert!(!error.to_string().contains("s3cr3t"));
    }
}
