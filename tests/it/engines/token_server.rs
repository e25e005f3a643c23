//! An OAuth token endpoint in the process of the test. Its tokens have no signature, as the test's broker wants them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::receiver::free_address;

/// What the endpoint answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mode {
    /// A token for `keeper` that lives so long.
    Lives(Duration),
    /// A token that the broker finds expired.
    Expired,
    /// 401; the answer repeats the secret.
    Refuses,
    /// A page for people.
    Page,
}

/// A running endpoint; ends with its owner.
pub(super) struct TokenServer {
    address: SocketAddr,
    state: Arc<Mutex<Asked>>,
    _runtime: Runtime,
}

struct Asked {
    mode: Mode,
    secret: &'static str,
    at: Vec<Instant>,
    given: Vec<String>,
}

impl TokenServer {
    /// Starts one for the client `vintner` with this secret.
    pub(super) fn start(mode: Mode, secret: &'static str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let state = Arc::new(Mutex::new(Asked { mode, secret, at: Vec::new(), given: Vec::new() }));
        let router = Router::new().route("/token", post(answer)).with_state(Arc::clone(&state));
        let address = free_address();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).expect("the address is free");
        drop(runtime.spawn(async move { axum::serve(listener, router).await.expect("served") }));
        Self { address, state, _runtime: runtime }
    }

    /// The sink's `sasl`, with the secret in the file `secret`.
    pub(super) fn sasl(&self) -> String {
        sasl(self.address)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn answers(&self, mode: Mode) {
        self.state.lock().expect("unharmed").mode = mode;
    }

    /// When it was asked.
    pub(super) fn asked(&self) -> Vec<Instant> {
        self.state.lock().expect("unharmed").at.clone()
    }

    /// The tokens that it gave.
    pub(super) fn given(&self) -> Vec<String> {
        self.state.lock().expect("unharmed").given.clone()
    }
}

/// `sasl` with a token endpoint at `address`.
pub(super) fn sasl(address: SocketAddr) -> String {
    format!(
        "sasl = {{ mechanism = \"OAUTHBEARER\", token_url = \"http://{address}/token\", client_id = \"vintner\", client_secret = {{ file = \"secret\" }}, scope = \"kafka\" }}"
    )
}

async fn answer(State(state): State<Arc<Mutex<Asked>>>, headers: HeaderMap, body: String) -> Response {
    let mut state = state.lock().expect("unharmed");
    state.at.push(Instant::now());
    let login = basic(state.secret);
    let is_right = headers.get(header::AUTHORIZATION).is_some_and(|value| value == &login);
    assert_eq!(body, "grant_type=client_credentials&scope=kafka");
    let refusal = || {
        let description = format!("no client has the secret {}", state.secret);
        let body = json!({"error": "invalid_client", "error_description": description});
        (StatusCode::UNAUTHORIZED, body.to_string()).into_response()
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let (ends, lifetime) = match state.mode {
        Mode::Refuses => return refusal(),
        _ if !is_right => return refusal(),
        Mode::Page => return ([(header::CONTENT_TYPE, "text/html")], "<html>Sign in</html>").into_response(),
        Mode::Expired => (now - Duration::from_secs(600), Duration::from_secs(60)),
        Mode::Lives(lifetime) => (now + lifetime, lifetime),
    };
    let number = state.given.len();
    let claims =
        json!({"sub": "keeper", "jti": number, "iat": (ends - lifetime).as_secs_f64(), "exp": ends.as_secs_f64()});
    let part = |value: &Value| base64(&value.to_string()).replace('+', "-").replace('/', "_").replace('=', "");
    let token = format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims));
    state.given.push(token.clone());
    json!({"access_token": token, "token_type": "Bearer", "expires_in": lifetime.as_secs()}).to_string().into_response()
}

/// The header of a client that has `secret`.
pub(super) fn basic(secret: &str) -> String {
    format!("Basic {}", base64(&format!("vintner:{secret}")))
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits = three.iter().enumerate().fold(0_u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
            encoded.push(if at <= three.len() { char::from(digit) } else { '=' });
        }
    }
    encoded
}
