//! The transport against sockets on 127.0.0.1 that misbehave, in real time.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use url::Url;

use super::{HttpTransport, connect_failure};
use crate::datto::{Auth, ConnectFailure, Request, Response, Transport, TransportError};
use crate::net::Egress;
use crate::secret::Secret;

const LIMIT: u64 = 100_000;

/// What a server does with one connection after it read the request.
enum Act {
    /// Sends these parts with a pause after each, then closes.
    Send(Vec<Vec<u8>>, Duration),
    /// Sends this without reading anything.
    Blurt(Vec<u8>),
    /// Keeps silent.
    Silence,
}

/// A server for one connection. Its task gives the request as received.
async fn serve(act: Act) -> (Url, JoinSet<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/api/v2/x?y=1", listener.local_addr().expect("an address"));
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        if let Act::Blurt(bytes) = &act {
            stream.write_all(bytes).await.expect("writable");
            sleep(Duration::from_millis(200)).await;
            return String::new();
        }
        let request = read_request(&mut stream).await;
        match act {
            Act::Send(parts, pause) => {
                for part in parts {
                    if stream.write_all(&part).await.is_err() {
                        break;
                    }
                    sleep(pause).await;
                }
            }
            Act::Silence | Act::Blurt(_) => sleep(Duration::from_secs(30)).await,
        }
        request
    });
    (Url::parse(&url).expect("an address"), tasks)
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).await.expect("readable");
        bytes.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
        let length: usize = length.map_or(0, |l| l.parse().expect("a number"));
        if n == 0 || body.len() >= length {
            return text;
        }
    }
}

async fn send(url: Url, auth: Auth) -> Result<Response, TransportError> {
    let transport = HttpTransport::new("vintner/test", Egress::default()).expect("a transport");
    transport.send(Request { url, auth, max_body: LIMIT, timeout: Duration::from_secs(5) }).await
}

async fn answer_to(parts: Vec<Vec<u8>>) -> Result<Response, TransportError> {
    let (url, _server) = serve(Act::Send(parts, Duration::ZERO)).await;
    send(url, Auth::None).await
}

fn head(status: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}\r\n").into_bytes()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).expect("in memory");
    encoder.finish().expect("in memory")
}

fn gzipped(body: &[u8]) -> Vec<Vec<u8>> {
    let packed = gzip(body);
    let headers = format!("content-encoding: gzip\r\ncontent-length: {}\r\n", packed.len());
    vec![head("200 OK", &headers), packed]
}

#[tokio::test]
async fn a_login_is_a_form_with_the_public_client_and_both_values_encoded() {
    let (url, mut server) =
        serve(Act::Send(vec![head("200 OK", "content-length: 2\r\n"), b"{}".to_vec()], Duration::ZERO)).await;
    let auth = Auth::Password { username: Secret::new("k&e y"), password: Secret::new("s+c=r%t") };
    let response = send(url, auth).await.expect("an answer");
    assert_eq!((response.status, &response.body[..]), (200, &b"{}"[..]));
    let request = server.join_next().await.expect("one").expect("no panic").to_ascii_lowercase();
    assert!(request.starts_with("post /api/v2/x?y=1 http/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: basic chvibgljlwnsawvuddpwdwjsawm=\r\n"), "{request}");
    assert!(request.contains("content-type: application/x-www-form-urlencoded\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\ngrant_type=password&username=k%26e+y&password=s%2bc%3dr%25t"), "{request}");
}

#[tokio::test]
async fn a_call_carries_the_token_and_an_answer_its_headers() {
    let headers = "content-length: 0\r\nretry-after: 7\r\ncontent-type: text/html\r\n";
    let (url, mut server) = serve(Act::Send(vec![head("429 Too Many", headers)], Duration::ZERO)).await;
    let response = send(url, Auth::Bearer(Secret::new("tok"))).await.expect("an answer");
    assert_eq!((response.status, response.retry_after.as_deref()), (429, Some("7")));
    assert_eq!(response.content_type.as_deref(), Some("text/html"));
    let request = server.join_next().await.expect("one").expect("no panic");
    assert!(
        request.contains("authorization: Bearer tok\r\n") && request.contains("user-agent: vintner/test\r\n"),
        "{request}"
    );
}

#[tokio::test]
async fn a_compressed_body_is_unpacked() {
    let body = format!("{{\"a\":\"{}\"}}", "x".repeat(50_000));
    let response = answer_to(gzipped(body.as_bytes())).await.expect("an answer");
    assert_eq!(response.body, body.as_bytes());
}

#[tokio::test]
async fn a_gzip_bomb_is_cut_off_while_it_unpacks() {
    let bomb = gzipped(&vec![b' '; 50_000_000]);
    assert!(bomb[1].len() < LIMIT as usize, "small on the wire");
    let begin = Instant::now();
    assert_eq!(answer_to(bomb).await.err(), Some(TransportError::TooLarge(LIMIT)));
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_with_or_without_a_length() {
    // Only the head is sent: whoever waits for the body would wait for the time limit.
    let (url, _server) =
        serve(Act::Send(vec![head("200 OK", "content-length: 100001\r\n")], Duration::from_secs(9))).await;
    let begin = Instant::now();
    assert_eq!(send(url, Auth::None).await.err(), Some(TransportError::TooLarge(LIMIT)));
    assert!(begin.elapsed() < Duration::from_secs(2));
    let chunk = [format!("{:x}\r\n", 200_000).into_bytes(), vec![b'x'; 200_000]].concat();
    let endless = vec![head("200 OK", "transfer-encoding: chunked\r\n"), chunk];
    assert_eq!(answer_to(endless).await.err(), Some(TransportError::TooLarge(LIMIT)));
    let fits = vec![head("200 OK", "content-length: 100000\r\n"), vec![b'x'; 100_000]];
    assert_eq!(answer_to(fits).await.expect("just fits").body.len(), 100_000);
}

#[tokio::test]
async fn of_an_error_only_the_start_is_read() {
    let parts = vec![[head("500 Oops", "content-length: 5000000\r\n"), vec![b'x'; 70_000]].concat()];
    let (url, _server) = serve(Act::Send(parts, Duration::from_secs(9))).await;
    let response = send(url, Auth::None).await.expect("the status counts");
    assert_eq!((response.status, response.body.len()), (500, 64 * 1024));
}

#[tokio::test]
async fn silence_and_a_trickle_run_into_the_time_limit() {
    let limit = Duration::from_millis(400);
    let trickle = [vec![head("200 OK", "content-length: 1000\r\n")], vec![b"x".to_vec(); 100]].concat();
    for act in [Act::Silence, Act::Send(trickle, Duration::from_millis(50))] {
        let (url, _server) = serve(act).await;
        let transport = HttpTransport::new("vintner/test", Egress::default()).expect("a transport");
        let begin = Instant::now();
        let result = transport.send(Request { url, auth: Auth::None, max_body: LIMIT, timeout: limit }).await;
        assert_eq!(result.err(), Some(TransportError::Timeout(limit)));
        assert!(begin.elapsed() < Duration::from_secs(3));
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_broken_not_short() {
    let cut = vec![head("200 OK", "content-length: 100\r\n"), b"{\"alerts\":[]}".to_vec()];
    assert!(matches!(answer_to(cut).await, Err(TransportError::Broken(_))));
    let chunked = vec![head("200 OK", "transfer-encoding: chunked\r\n"), b"5\r\nhello\r\n".to_vec()];
    assert!(matches!(answer_to(chunked).await, Err(TransportError::Broken(_))));
    let packed = gzipped(&vec![b'x'; 5000]);
    let half = packed[1][..packed[1].len() / 2].to_vec();
    let head = head("200 OK", &format!("content-encoding: gzip\r\ncontent-length: {}\r\n", half.len()));
    assert!(matches!(answer_to(vec![head, half]).await, Err(TransportError::Broken(_))));
    assert!(matches!(answer_to(vec![b"SSH-2.0-OpenSSH\r\n".to_vec()]).await, Err(TransportError::Broken(_))));
    assert!(matches!(answer_to(Vec::new()).await, Err(TransportError::Broken(_))));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_nobody_goes_there() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let target = format!("location: http://{}/\r\ncontent-length: 0\r\n", elsewhere.local_addr().expect("an address"));
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let (url, _server) = serve(Act::Send(vec![head(status, &target)], Duration::ZERO)).await;
        let response = send(url, Auth::Bearer(Secret::new("tok"))).await.expect("an answer");
        assert!((300..400).contains(&response.status));
    }
    let visited = tokio::time::timeout(Duration::from_millis(100), elsewhere.accept()).await;
    assert!(visited.is_err(), "someone followed");
}

#[tokio::test]
async fn no_connection_is_told_apart_and_names_no_query() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let refused = send(Url::parse(&format!("http://{address}/?q=hidden")).expect("an address"), Auth::None).await;
    let Err(TransportError::Connect { failure: ConnectFailure::Connection, words }) = &refused else {
        panic!("{refused:?}")
    };
    assert!(!words.contains("hidden") && !words.is_empty(), "{words}");

    let (mut plain, _server) = serve(Act::Blurt(b"HTTP/1.1 400 not TLS at all\r\n\r\n".to_vec())).await;
    plain.set_scheme("https").expect("https");
    let failure = |result: Result<Response, TransportError>| match result {
        Err(TransportError::Connect { failure, .. }) => failure,
        other => panic!("{other:?}"),
    };
    assert_eq!(failure(send(plain, Auth::None).await), ConnectFailure::Tls);
    let nowhere = Url::parse("https://no-such-host.invalid/").expect("an address");
    assert_eq!(failure(send(nowhere, Auth::None).await), ConnectFailure::Name);
}

#[tokio::test]
async fn plain_http_never_leaves_this_machine() {
    let url = Url::parse("http://192.0.2.1/").expect("an address");
    let refused = send(url, Auth::Bearer(Secret::new("tok"))).await;
    assert!(
        matches!(&refused, Err(TransportError::Connect { words, .. }) if words.contains("loopback")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_byte_order_mark_before_the_body_is_left_out() {
    let body = "\u{feff}{\"a\":1}";
    let plain = vec![head("200 OK", &format!("content-length: {}\r\n", body.len())), body.as_bytes().to_vec()];
    for parts in [plain, gzipped(body.as_bytes())] {
        assert_eq!(&answer_to(parts).await.expect("an answer").body[..], b"{\"a\":1}");
    }
    let mark = vec![head("200 OK", "content-length: 3\r\n"), "\u{feff}".as_bytes().to_vec()];
    assert!(answer_to(mark).await.expect("an answer").body.is_empty());
}

#[tokio::test]
async fn a_gzip_body_of_several_members_is_read_to_its_end() {
    let packed = [gzip(b"{\"a\":"), gzip(b""), gzip(b"1}")].concat();
    let headers = format!("content-encoding: gzip\r\ncontent-length: {}\r\n", packed.len());
    let response = answer_to(vec![head("200 OK", &headers), packed]).await.expect("an answer");
    assert_eq!(&response.body[..], b"{\"a\":1}");
}

#[tokio::test]
async fn a_folded_header_does_not_fail_the_call() {
    let headers = "x-policy: default-src 'self';\r\n  report-uri /csp\r\nretry-after:\r\n\t7\r\ncontent-length: 2\r\n";
    let response = answer_to(vec![head("429 Too Many", headers), b"{}".to_vec()]).await.expect("an answer");
    assert_eq!((response.status, response.retry_after.as_deref().map(str::trim)), (429, Some("7")));
}

/// A certificate that is refused is known by the TLS stack's own error, however deep it lies.
#[test]
fn a_refused_certificate_is_no_passing_failure() {
    let refused = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    let other = rustls::Error::HandshakeNotComplete;
    for (error, failure) in [(refused, ConnectFailure::Certificate), (other, ConnectFailure::Tls)] {
        let wrapped = std::io::Error::other(std::io::Error::other(error));
        assert_eq!(connect_failure(&wrapped), failure);
        let error = TransportError::Connect { failure, words: String::new() };
        assert_eq!(error.is_retryable(), failure == ConnectFailure::Tls);
    }
}
