//! Events as an OTLP receiver gets them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use serde_json::{Map, Value, json};
use vintner::clock::Clock;
use vintner::event::Event;
use vintner::secret::Secret;
use vintner::sink::Sink;
use vintner::sink::otlp::{Body, Compression, Headers, OtlpSink, Protocol, Settings, Tls};

struct NoHeaders;

impl Headers for NoHeaders {
    fn headers(&self) -> Result<Vec<(String, Secret)>, String> {
        Ok(Vec::new())
    }
}

type Taken = Arc<Mutex<Vec<LogRecord>>>;

/// Sends the events to a receiver and returns what it got, in order: `time` in milliseconds, `attributes` and `body`.
pub(crate) fn sent(events: &[Event]) -> Vec<Value> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let taken = Taken::default();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/v1/logs", post(take))
            .layer(DefaultBodyLimit::max(32 << 20))
            .with_state(Arc::clone(&taken));
        let served = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let mut sink = OtlpSink::new(Settings {
            proxy: Arc::new(|| Ok(None)),
            endpoint: format!("http://{address}").parse().unwrap(),
            protocol: Protocol::Http,
            compression: Compression::None,
            concurrency: 1,
            headers: Arc::new(NoHeaders),
            tls: Tls::default(),
            body: Body::Structured,
            clock: Clock::system(),
        });
        for some in events.chunks(500) {
            assert!(sink.deliver(some).await.unwrap().refused.is_empty());
        }
        served.abort();
    });
    let taken = taken.lock().unwrap();
    assert_eq!(taken.len(), events.len());
    taken.iter().map(record).collect()
}

/// An empty answer says that everything was taken.
async fn take(State(taken): State<Taken>, body: Bytes) -> Vec<u8> {
    let request = ExportLogsServiceRequest::decode(body).unwrap();
    let scopes = request.resource_logs.into_iter().flat_map(|logs| logs.scope_logs);
    taken.lock().unwrap().extend(scopes.flat_map(|scope| scope.log_records));
    Vec::new()
}

fn record(record: &LogRecord) -> Value {
    json!({ "time": record.time_unix_nano / 1_000_000, "attributes": object(&record.attributes), "body": any(record.body.as_ref()) })
}

fn object(pairs: &[KeyValue]) -> Value {
    let members = pairs.iter().map(|pair| (pair.key.clone(), any(pair.value.as_ref())));
    Value::Object(members.collect::<Map<_, _>>())
}

fn any(value: Option<&AnyValue>) -> Value {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => json!(text),
        Some(Any::BoolValue(flag)) => json!(flag),
        Some(Any::IntValue(number)) => json!(number),
        Some(Any::DoubleValue(number)) => json!(number),
        Some(Any::ArrayValue(list)) => list.values.iter().map(|value| any(Some(value))).collect(),
        Some(Any::KvlistValue(list)) => object(&list.values),
        Some(_) | None => Value::Null,
    }
}
