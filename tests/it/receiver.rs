//! An OTLP receiver over HTTP in the process of the test, which takes everything and keeps it in order.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use prost::Message;
use serde_json::Value;
use tokio::runtime::Runtime;

type Taken = Arc<Mutex<Vec<Value>>>;

/// A running receiver; ends with its owner.
pub(crate) struct Receiver {
    taken: Taken,
    _runtime: Runtime,
}

/// An address on which nobody listens yet.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address")
}

impl Receiver {
    /// Starts one at `address`. It wants bodies of the form `json`, uncompressed.
    pub(crate) fn start(address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let taken = Taken::default();
        let router = Router::new()
            .route("/v1/logs", post(take))
            .layer(DefaultBodyLimit::max(32 << 20))
            .with_state(Arc::clone(&taken));
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).expect("the address is free");
        drop(runtime.spawn(async move { axum::serve(listener, router).await.expect("served") }));
        Self { taken, _runtime: runtime }
    }

    /// The events that it took, in order.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.taken.lock().expect("unharmed").clone()
    }
}

/// An empty answer says that everything was taken.
async fn take(State(taken): State<Taken>, body: Bytes) -> Vec<u8> {
    let request = ExportLogsServiceRequest::decode(body).expect("a request");
    let records =
        request.resource_logs.into_iter().flat_map(|logs| logs.scope_logs).flat_map(|scope| scope.log_records);
    let events = records.map(|record| {
        let Some(Any::StringValue(text)) = record.body.and_then(|body| body.value) else { panic!("no text") };
        serde_json::from_str(&text).expect("JSON")
    });
    let events: Vec<Value> = events.collect();
    taken.lock().expect("unharmed").extend(events);
    Vec::new()
}
