//! The server, the requests that it has received, and the faults that it injects.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};

use crate::aws_api::request::{ApiAnswer, ApiRequest};

/// The services as they are named in the variables for their endpoints.
const SERVICES: [&str; 5] = [
    "CLOUDFORMATION",
    "REDSHIFT",
    "REDSHIFT_SERVERLESS",
    "SECRETS_MANAGER",
    "STS",
];

/// Answers the requests of one service, or of some of its operations.
pub trait AwsService: Send {
    /// Returns the answer, or `None` for an operation that it does not have.
    fn answer(&mut self, request: &ApiRequest) -> Option<ApiAnswer>;
}

/// A fault of the next request for an operation.
#[derive(Debug, Clone)]
pub enum ApiFault {
    /// The operation is not executed, and this is the answer.
    Answer(ApiAnswer),
    /// The operation is executed, and the connection is closed without a response.
    LoseResponse,
    /// The connection is closed before the operation is executed.
    Disconnect,
    /// There is no response.
    Silence,
}

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct ServerState {
    services: Vec<Box<dyn AwsService>>,
    requests: Vec<ApiRequest>,
    /// Faults with the operation that they apply to. Each applies once.
    faults: Vec<(String, ApiFault)>,
    /// What to do when the request with this number, from 1, has been executed and before it is answered.
    hooks: Vec<(usize, Hook)>,
}

/// A server that ends when it is dropped.
pub struct AwsApi {
    address: SocketAddr,
    state: Arc<Mutex<ServerState>>,
    runtime: Option<Runtime>,
}

impl AwsApi {
    /// Starts a server with these services. An operation that none of them has fails with `InvalidAction`.
    pub fn start(services: Vec<Box<dyn AwsService>>) -> Self {
        let state = Arc::new(Mutex::new(ServerState {
            services,
            ..ServerState::default()
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
                let state = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| respond(state.clone(), request));
                    // An error of the service closes the connection, as some faults want.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            address,
            state,
            runtime: Some(runtime),
        }
    }

    /// Returns the URL of the server.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a command send its requests here, as a user with an access key.
    pub fn configure(&self, command: &mut Command) {
        for service in SERVICES {
            command.env(format!("AWS_ENDPOINT_URL_{service}"), self.url());
        }
        command
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "test-secret-access-key")
            .env("AWS_REGION", "us-west-2");
    }

    /// Returns the requests, in order of arrival.
    pub fn requests(&self) -> Vec<ApiRequest> {
        self.state.lock().unwrap().requests.clone()
    }

    /// Returns the operations that were requested, in order of arrival.
    pub fn actions(&self) -> Vec<String> {
        let requests = self.requests();
        requests.into_iter().map(|request| request.action).collect()
    }

    /// Injects a fault into the next request for an operation.
    pub fn inject(&self, action: &str, fault: ApiFault) {
        let mut state = self.state.lock().unwrap();
        state.faults.push((action.to_owned(), fault));
    }

    /// Runs `hook` when the request with this number, from 1, has been executed and before it is answered.
    pub fn after_request(&self, number: usize, hook: impl FnOnce() + Send + 'static) {
        let mut state = self.state.lock().unwrap();
        state.hooks.push((number, Box::new(hook)));
    }
}

impl Drop for AwsApi {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

async fn respond(
    state: Arc<Mutex<ServerState>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?;
    let response = |status: u16, content_type: &str, body: String| {
        Response::builder()
            .status(status)
            .header("content-type", content_type)
            .body(Full::from(body))
            .map_err(std::io::Error::other)
    };
    let Some(request) = ApiRequest::parse(&head, &body.to_bytes()) else {
        return response(
            403,
            "text/plain",
            "the request is not signed, or names no operation".to_owned(),
        );
    };
    let closed = || Err(std::io::Error::other("an injected fault"));
    let (answer, fault) = match execute(&state, &request) {
        (_, Some(ApiFault::Disconnect | ApiFault::LoseResponse)) => return closed(),
        executed => executed,
    };
    if matches!(fault, Some(ApiFault::Silence)) {
        std::future::pending::<()>().await;
    }
    let (status, content_type, body) = answer.render(&request);
    response(status, content_type, body)
}

/// Executes a request unless a fault prevents it, and returns the answer and the fault.
fn execute(state: &Mutex<ServerState>, request: &ApiRequest) -> (ApiAnswer, Option<ApiFault>) {
    let mut state = state.lock().unwrap();
    state.requests.push(request.clone());
    let number = state.requests.len();
    let fault = state
        .faults
        .iter()
        .position(|(action, _)| *action == request.action);
    let fault = fault.map(|index| state.faults.remove(index).1);
    let answer = match &fault {
        Some(ApiFault::Answer(answer)) => answer.clone(),
        Some(ApiFault::Disconnect | ApiFault::Silence) => ApiAnswer::Xml(String::new()),
        Some(ApiFault::LoseResponse) | None => {
            let mut services = state.services.iter_mut();
            let answer = services.find_map(|service| service.answer(request));
            answer.unwrap_or_else(|| {
                ApiAnswer::error(
                    "InvalidAction",
                    format!("there is no {} of {}", request.action, request.service),
                )
            })
        }
    };
    while let Some(index) = state.hooks.iter().position(|(n, _)| *n == number) {
        (state.hooks.remove(index).1)();
    }
    (answer, fault)
}
