//! Health, readiness, metrics and status over HTTP (`[admin]` in the configuration).

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use crate::admin::listen::Listener;
use crate::admin::view::View;
use crate::journal::JournalError;

pub mod ask;
mod gauges;
mod host;
pub mod listen;
pub mod report;
pub mod view;

/// Serves until `stop`. No client ends it, and it waits for none.
pub async fn serve(listener: &Listener, view: View, stop: CancellationToken) {
    let routes = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .with_state(Arc::new(view));
    listener.serve(routes, stop).await;
}

/// Ready: the journal has room, every account is connected and every sink has accepted something or passed its check.
async fn ready(State(view): State<Arc<View>>) -> Response {
    match view.unready() {
        reasons if reasons.is_empty() => "ready\n".into_response(),
        reasons => (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n").into_response(),
    }
}

async fn metrics(State(view): State<Arc<View>>) -> Response {
    match view.metrics_text().await {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => unavailable(&error),
    }
}

async fn status(State(view): State<Arc<View>>) -> Response {
    match view.report().await {
        Ok(report) => {
            ([(header::CONTENT_TYPE, "application/json")], serde_json::to_string(&report).unwrap_or_default())
                .into_response()
        }
        Err(error) => unavailable(&error),
    }
}

fn unavailable(error: &JournalError) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, crate::diagnostic::causes::line(error) + "\n").into_response()
}
