//! The admin listener's connections: bounded in number and in time, so that a slow or silent client delays nobody.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::admin::host;

/// Most connections at once. One more closes the oldest that is not being answered.
const MOST: usize = 64;

/// A request's header must be complete this long after the connection was accepted.
const HEADER: Duration = Duration::from_secs(5);

/// A connection, which serves one request, ends after this in any case.
const WHOLE: Duration = Duration::from_secs(30);

/// Most bytes of a request's header.
const MOST_HEADER: usize = 16 * 1024;

/// Answers that are being made when the listener stops have this long to leave.
const GRACE: Duration = Duration::from_millis(200);

/// After an error that is not of one connection (no descriptors left), the next attempt to accept waits this long.
const RETRY: Duration = Duration::from_millis(250);

/// A bound admin listener. Clones share one socket, so that it outlives the parts of a run that a reload replaces.
#[derive(Clone, Debug)]
pub struct Listener {
    asked: SocketAddr,
    socket: Arc<TcpListener>,
}

/// An accepted connection.
struct Open {
    is_answering: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Listener {
    /// Binds `address`.
    pub async fn bind(address: SocketAddr) -> std::io::Result<Self> {
        Ok(Self { asked: address, socket: Arc::new(TcpListener::bind(address).await?) })
    }

    /// The address that was asked for; its port may be 0.
    pub fn asked(&self) -> SocketAddr {
        self.asked
    }

    /// Where it listens.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves `routes` until `stop`, and waits for no client then.
    pub(super) async fn serve(&self, routes: Router, stop: CancellationToken) {
        let is_loopback = self.local_addr().is_ok_and(|address| address.ip().is_loopback());
        let (mut tasks, mut open, mut is_failing) = (JoinSet::new(), VecDeque::new(), false);
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = tasks.join_next() => {
                    open.retain(|connection: &Open| !connection.task.is_finished());
                    continue;
                }
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    is_failing = false;
                    if has_room(&mut open) {
                        let is_answering = Arc::new(AtomicBool::new(false));
                        let work = connection(stream, routes.clone(), is_loopback, Arc::clone(&is_answering));
                        open.push_back(Open { is_answering, task: tasks.spawn(work) });
                    }
                }
                Err(error) if is_of_one_connection(error.kind()) => {}
                Err(error) => {
                    if !is_failing {
                        tracing::warn!(
                            %error,
                            hint = "if file descriptors ran out, raise `ulimit -n` (systemd: LimitNOFILE)",
                            "the admin listener cannot accept connections: it tries again"
                        );
                    }
                    is_failing = true;
                    tokio::select! {
                        () = tokio::time::sleep(RETRY) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
        }
        for idle in open.iter().filter(|connection| !connection.is_answering.load(Ordering::Acquire)) {
            idle.task.abort();
        }
        // Whoever has no answer by then asks again.
        drop(tokio::time::timeout(GRACE, async { while tasks.join_next().await.is_some() {} }).await);
        tasks.shutdown().await;
    }
}

/// Whether one more connection may be served; closes the oldest for it that waits for its client. Without one the newcomer has to
/// come again.
fn has_room(open: &mut VecDeque<Open>) -> bool {
    if open.len() < MOST {
        return true;
    }
    let oldest = open.iter().position(|connection| !connection.is_answering.load(Ordering::Acquire));
    let closed = oldest.and_then(|index| open.remove(index));
    closed.inspect(|connection| connection.task.abort()).is_some()
}

/// An error that says nothing about the next connection.
fn is_of_one_connection(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}

/// Serves one request.
async fn connection(stream: TcpStream, routes: Router, is_loopback: bool, is_answering: Arc<AtomicBool>) {
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (routes, is_answering) = (routes.clone(), Arc::clone(&is_answering));
        async move {
            is_answering.store(true, Ordering::Release);
            let response = answer(routes, request, is_loopback).await;
            is_answering.store(false, Ordering::Release);
            response
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_buf_size(MOST_HEADER)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A client that goes away, sends nonsense or is too slow concerns nobody else.
    drop(tokio::time::timeout(WHOLE, served).await);
}

async fn answer(routes: Router, request: hyper::Request<Incoming>, is_loopback: bool) -> Result<Response, Infallible> {
    if is_loopback && let Some(stranger) = host::foreign(&request) {
        return Ok(host::refusal(&stranger).into_response());
    }
    TowerToHyperService::new(routes).call(request.map(Body::new)).await
}

#[cfg(test)]
mod tests;
