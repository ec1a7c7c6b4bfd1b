//! An HTTP server in this process that keeps what is posted to it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio_rustls::TlsAcceptor;

use crate::s3_server::tls::acceptor_for;

/// How the server answers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkAnswer {
    /// With a status.
    Status(u16),
    /// With a redirect to a URL.
    Redirect(String),
    /// By closing the connection.
    Disconnect,
    /// Not at all.
    Silence,
}

/// A request that was received.
#[derive(Debug, Clone)]
pub struct SinkRequest {
    pub method: String,
    /// The path with the query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub received_at: Instant,
}

impl SinkRequest {
    /// Returns the value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Debug, Default)]
struct SinkState {
    requests: Vec<SinkRequest>,
    /// The answers to the next requests. Requests after them get 200.
    answers: VecDeque<SinkAnswer>,
}

/// A server that ends when it is dropped.
pub struct HttpSink {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<Mutex<SinkState>>,
    runtime: Option<Runtime>,
}

impl HttpSink {
    /// Starts a server that answers 200 to everything.
    pub fn start() -> Self {
        Self::with_answers([])
    }

    /// Starts a server that gives these answers to the first requests, and 200 to the others.
    pub fn with_answers(answers: impl IntoIterator<Item = SinkAnswer>) -> Self {
        Self::start_with(answers.into_iter().collect(), None)
    }

    /// Starts a server that takes TLS connections to `localhost`. Also returns the PEM text of the authority that signed
    /// its certificate.
    pub fn with_tls() -> (Self, String) {
        let (acceptor, authority) = acceptor_for(&["localhost"]);
        (Self::start_with(VecDeque::new(), Some(acceptor)), authority)
    }

    fn start_with(answers: VecDeque<SinkAnswer>, tls: Option<TlsAcceptor>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = Arc::new(Mutex::new(SinkState {
            requests: Vec::new(),
            answers,
        }));
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(TcpListener::bind(("127.0.0.1", 0)))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let shared = state.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, tls) = (shared.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, state).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, state).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            scheme,
            state,
            runtime: Some(runtime),
        }
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of a path, which begins with `/` or is empty.
    pub fn url(&self, path: &str) -> String {
        match self.scheme {
            // The certificate is for the name.
            "https" => format!("https://localhost:{}{path}", self.address.port()),
            scheme => format!("{scheme}://{}{path}", self.address),
        }
    }

    /// Returns the requests, in order of arrival.
    pub fn requests(&self) -> Vec<SinkRequest> {
        self.state.lock().unwrap().requests.clone()
    }
}

impl Drop for HttpSink {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    state: Arc<Mutex<SinkState>>,
) {
    let service = service_fn(|request| answer(state.clone(), request));
    // An error of the service closes the connection, as some tests want.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    state: Arc<Mutex<SinkState>>,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, std::io::Error> {
    let received_at = Instant::now();
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = head.headers.iter();
    let request = SinkRequest {
        method: head.method.to_string(),
        path: head
            .uri
            .path_and_query()
            .map_or_else(String::new, ToString::to_string),
        headers: headers
            .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
            .collect(),
        body: text(&body.to_bytes()),
        received_at,
    };
    let next = {
        let mut state = state.lock().unwrap();
        state.requests.push(request);
        state.answers.pop_front()
    };
    let response = match next.unwrap_or(SinkAnswer::Status(200)) {
        SinkAnswer::Status(status) => Response::builder().status(status),
        SinkAnswer::Redirect(url) => Response::builder().status(307).header("location", url),
        SinkAnswer::Disconnect => return Err(std::io::Error::other("disconnected")),
        SinkAnswer::Silence => return std::future::pending().await,
    };
    response.body(Empty::new()).map_err(std::io::Error::other)
}
