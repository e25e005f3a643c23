//! A network with a way out through a proxy only: a server that only the proxy can find, with a certificate of a private authority.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A name that no resolver knows.
pub(crate) const HOST: &str = "api.vintner.invalid";

/// What a proxy does with who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gate {
    /// Lets everyone through.
    Open,
    /// Lets through who has this value of `Proxy-Authorization`.
    Login(&'static str),
    /// Answers with this line.
    Refusing(&'static str),
}

/// See the module. It ends when it is dropped.
pub(crate) struct Network {
    proxy: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Heads of requests to the proxy.
    asked: Vec<String>,
    /// What the server got, decrypted.
    received: Vec<String>,
}

impl Network {
    /// A network whose server answers everything with the HTTP/1.1 response `answer`.
    pub(crate) async fn new(gate: Gate, answer: &'static str) -> Self {
        let (seen, mut tasks, acceptor) = (Arc::<Mutex<Seen>>::default(), JoinSet::new(), acceptor());
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = server.local_addr().unwrap();
        let noted = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = server.accept().await.unwrap();
                let (acceptor, noted) = (acceptor.clone(), Arc::clone(&noted));
                open.spawn(async move {
                    // A client that does not trust the certificate ends the handshake.
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let request = read_head(&mut stream).await;
                    noted.lock().unwrap().received.push(request);
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    // The client may close first.
                    drop(stream.shutdown().await);
                });
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap();
        let noted = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                open.spawn(forward(stream, gate, behind, Arc::clone(&noted)));
            }
        });
        Self { proxy, seen, _tasks: tasks }
    }

    /// Where the proxy listens.
    pub(crate) fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// Heads of requests to the proxy.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.seen.lock().unwrap().asked.clone()
    }

    /// What the server got, decrypted.
    pub(crate) fn received(&self) -> Vec<String> {
        self.seen.lock().unwrap().received.clone()
    }
}

/// The certificate of the authority, in PEM (`tests/fixtures/tls/make`).
pub(crate) const CA_FILE: &str = "tests/fixtures/tls/ca.pem";
const SERVER: &[u8] = include_bytes!("../../../tests/fixtures/tls/server.pem");
const KEY: &[u8] = include_bytes!("../../../tests/fixtures/tls/server.key");

/// Accepts TLS as [`HOST`].
fn acceptor() -> TlsAcceptor {
    // The only error means that a provider is already set, which serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    let own = CertificateDer::from_pem_slice(SERVER).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![own], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Serves one client of the proxy; it alone knows where [`HOST`] is.
async fn forward(mut client: TcpStream, gate: Gate, behind: SocketAddr, seen: Arc<Mutex<Seen>>) {
    let head = read_head(&mut client).await;
    seen.lock().unwrap().asked.push(head.clone());
    let is_known = head.starts_with(&format!("CONNECT {HOST}:443 HTTP/1.1\r\n"));
    let refusal = match gate {
        _ if !is_known => Some("502 Bad Gateway"),
        Gate::Open => None,
        Gate::Refusing(status) => Some(status),
        Gate::Login(value) => {
            let header = format!("proxy-authorization: {value}\r\n").to_lowercase();
            (!head.to_lowercase().contains(&header)).then_some("407 Proxy Authentication Required")
        }
    };
    let status = refusal.unwrap_or("200 Connection established");
    client.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await.unwrap();
    if refusal.is_none() {
        let mut server = TcpStream::connect(behind).await.unwrap();
        // Either side may break off.
        drop(copy_bidirectional(&mut client, &mut server).await);
    }
}

/// Reads up to the end of a request's head, and what came with it.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes);
        if count == 0 || text.contains("\r\n\r\n") {
            return text.into_owned();
        }
    }
}
