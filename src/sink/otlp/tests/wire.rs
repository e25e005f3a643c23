//! Answers over HTTP/1 as old servers and proxies write them, byte by byte.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::super::{Compression, Protocol};
use super::{events, sink};
use crate::sink::{Delivered, Sink};

/// A server that answers its first request with these bytes.
async fn answering(answer: &'static str) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.windows(14).any(|part| part == b"log.record.uid") {
            let mut buffer = [0; 4096];
            let n = stream.read(&mut buffer).await.unwrap();
            request.extend_from_slice(&buffer[..n]);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        let _closed_by_the_other_side = stream.read(&mut [0; 4096]).await;
    });
    (endpoint, server)
}

#[tokio::test]
async fn a_folded_header_or_a_byte_order_mark_does_not_fail_a_request_that_was_taken() {
    for answer in [
        "HTTP/1.1 200 OK\r\nx-policy: one;\r\n two\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\n\r\n\u{feff}{}",
    ] {
        let (endpoint, _server) = answering(answer).await;
        let delivered = sink(&endpoint, Protocol::Http, Compression::None).deliver(&events(1)).await;
        assert_eq!(delivered, Ok(Delivered::default()), "{answer}");
    }
}
