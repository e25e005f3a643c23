//! The simulated Datto RMM as a transport: `demo` and simulations ask it without a socket.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::datto::{Auth, Request, Response, Transport, TransportError};
use crate::sim::reply::Cut;
use crate::sim::{self, Sim};

/// `public-client:public`, Datto's fixed public OAuth client (datto-rmm-api.md section 2).
const PUBLIC_CLIENT: &str = "Basic cHVibGljLWNsaWVudDpwdWJsaWM=";

/// Carries requests to a simulation in the same process.
#[derive(Clone, Debug)]
pub struct Simulated(pub Sim);

impl Transport for Simulated {
    fn send(&self, request: Request) -> Pin<Box<dyn Future<Output = Result<Response, TransportError>> + Send + '_>> {
        Box::pin(async move {
            let limit = request.timeout;
            let answer = tokio::time::timeout(limit, self.exchange(&request)).await;
            answer.unwrap_or(Err(TransportError::Timeout(limit)))
        })
    }
}

impl Simulated {
    async fn exchange(&self, request: &Request) -> Result<Response, TransportError> {
        let reply = self.0.handle(&simulated(request));
        tokio::time::sleep(reply.delay).await;
        if reply.cut != Cut::None {
            return Err(TransportError::Broken("the simulation cut the connection".into()));
        }
        if reply.body.len() as u64 > request.max_body {
            return Err(TransportError::TooLarge(request.max_body));
        }
        let header = |name: &str| {
            let found = reply.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        Ok(Response {
            status: reply.status,
            content_type: header("content-type"),
            retry_after: header("retry-after"),
            date: header("date"),
            body: Bytes::from(reply.body),
        })
    }
}

fn simulated(request: &Request) -> sim::Request {
    let url = &request.url;
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let (method, authorization, body) = match &request.auth {
        Auth::None => ("GET", None, Vec::new()),
        Auth::Bearer(token) => ("GET", Some(format!("Bearer {}", token.expose())), Vec::new()),
        Auth::Password { username, password } => {
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("grant_type", "password")
                .append_pair("username", username.expose())
                .append_pair("password", password.expose())
                .finish();
            ("POST", Some(PUBLIC_CLIENT.to_owned()), form.into_bytes())
        }
    };
    sim::Request {
        method: method.to_owned(),
        path_and_query: format!("{}{query}", url.path()),
        authorization,
        body,
        host: url.origin().ascii_serialization(),
    }
}
