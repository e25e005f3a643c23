//! The simulated Datto RMM over HTTP, on loopback only.
//!
//! On hyper itself and not on axum: resets, truncated bodies and trickling bodies happen below what axum lets a handler do.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{self, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::sim::reply::{Cut, Reply};
use crate::sim::wire::Paced;
use crate::sim::{Request, Sim};

/// Bodies below this are not worth compressing.
const SMALL: usize = 1024;

/// A larger request body is refused.
const MAX_REQUEST: usize = 1 << 20;

/// Why serving ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener is not on a loopback address.
    #[error("the simulated Datto RMM listens on loopback addresses only, not on {0}")]
    NotLoopback(SocketAddr),
    /// The listener does not work.
    #[error("cannot listen")]
    Listen(#[source] io::Error),
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the connection is reset on purpose")]
    Reset,
    #[error("the request cannot be read")]
    Read(#[source] hyper::Error),
    #[error("the request is too large")]
    TooLarge,
    #[error("the answer cannot be written")]
    Write(#[source] hyper::http::Error),
}

/// Serves `sim` on `listener` until `shutdown` is done; connections are dropped then.
pub async fn serve(listener: TcpListener, sim: Sim, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listen)?;
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            // Finished connections are collected as they end, so that the set does not grow.
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, sim.clone(), address));
                }
                // Out of descriptors, or the client has gone already: neither is the end of the listener.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

/// Serves one connection to its end, and breaks it if a fault asks for that.
async fn connection(stream: TcpStream, sim: Sim, address: SocketAddr) {
    let service = service_fn(|request| Box::pin(respond(sim.clone(), request, address)));
    let mut builder = http1::Builder::new();
    // The simulation writes `Date` itself, or leaves it out.
    builder.timer(TokioTimer::new()).auto_date_header(false);
    let mut connection = builder.serve_connection(TokioIo::new(stream), service);
    let Err(problem) = (&mut connection).await else { return };
    let cause = problem.source().and_then(|cause| cause.downcast_ref::<Broken>());
    if let Some(Broken::Reset) = cause {
        let stream = connection.into_parts().io.into_inner();
        // Closed without lingering, the peer sees a reset. If that cannot be set, it sees an end: a broken answer either way.
        stream.set_zero_linger().ok();
    }
}

async fn respond(
    sim: Sim,
    request: hyper::Request<Incoming>,
    address: SocketAddr,
) -> Result<hyper::Response<Paced>, Broken> {
    let (head, body) = request.into_parts();
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let host = text(header::HOST).unwrap_or_else(|| address.to_string());
    let zips = accepts_gzip(&head.headers);
    let request = Request {
        method: head.method.as_str().to_owned(),
        path_and_query: head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
        authorization: text(header::AUTHORIZATION),
        body: read(body).await?,
        host: format!("http://{host}"),
    };
    let mut reply = sim.handle(&request);
    sleep(reply.delay).await;
    if reply.cut == Cut::Reset {
        return Err(Broken::Reset);
    }
    if zips {
        zip(&mut reply);
    }
    let mut response = hyper::Response::builder().status(reply.status).header(header::CONTENT_LENGTH, reply.body.len());
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    response.body(Paced::new(Bytes::from(reply.body), reply.cut, reply.trickle)).map_err(Broken::Write)
}

async fn read(mut body: Incoming) -> Result<Vec<u8>, Broken> {
    let mut whole = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame.map_err(Broken::Read)?.into_data() {
            whole.extend_from_slice(&data);
        }
        if whole.len() > MAX_REQUEST {
            return Err(Broken::TooLarge);
        }
    }
    Ok(whole)
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| coding.trim().starts_with("gzip"))
}

/// Compresses the body, unless it is small, compressed already, or to be cut at a byte of the plain body.
fn zip(reply: &mut Reply) {
    let coded = reply.headers.iter().any(|(name, _)| name == "content-encoding");
    if coded || reply.body.len() < SMALL || reply.cut != Cut::None {
        return;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    if encoder.write_all(&reply.body).is_err() {
        return;
    }
    if let Ok(body) = encoder.finish() {
        reply.body = body;
        reply.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
    }
}
