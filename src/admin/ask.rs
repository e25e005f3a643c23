//! Asks the admin listener of a running instance for its status.

use std::net::SocketAddr;
use std::time::Duration;

use crate::admin::report::Report;

/// Most bytes of an answer; that of an instance with 500 accounts has less than a tenth of it.
const MAX_ANSWER: usize = 64 << 20;

/// A local answer takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(5);

/// The status of the instance behind `address`; `None` if nothing answers there as vintner does.
pub async fn status(address: SocketAddr) -> Option<Report> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().ok()?;
    let answer = client.get(format!("http://{address}/status")).send().await.ok()?;
    let mut answer = answer.error_for_status().ok()?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.ok()? {
        // Whatever listens there need not be vintner.
        if body.len().saturating_add(chunk.len()) > MAX_ANSWER {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).ok()
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::*;

    /// Whatever listens there may answer without end.
    #[tokio::test]
    async fn an_answer_without_end_is_none() {
        let _already_set = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let (blanks, mut sent) = (vec![b' '; 1 << 20], 0);
            while sent < 4 * MAX_ANSWER && stream.write_all(&blanks).await.is_ok() {
                sent += blanks.len();
            }
            sent
        });
        assert_eq!(status(address).await, None);
        let sent = tasks.join_next().await.unwrap().unwrap();
        assert!(sent < 2 * MAX_ANSWER, "{sent} bytes");
    }
}
