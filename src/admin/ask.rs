//! Asks the admin listener of a running instance for its status.

use std::net::SocketAddr;
use std::time::Duration;

use crate::admin::report::Report;

/// A local answer takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(5);

/// The status of the instance behind `address`; `None` if nothing answers there as vintner does.
pub async fn status(address: SocketAddr) -> Option<Report> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().ok()?;
    let answer = client.get(format!("http://{address}/status")).send().await.ok()?;
    let body = answer.error_for_status().ok()?.bytes().await.ok()?;
    serde_json::from_slice(&body).ok()
}
