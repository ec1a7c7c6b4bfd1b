//! The layer between the connections and the S3 server: it records requests and injects faults.

use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{HeaderValue, IF_MATCH, IF_NONE_MATCH};
use hyper::{Method, Request, Response};
use s3s::Body;
use s3s::service::S3Service;

use crate::s3_server::customer_keys;
use crate::s3_server::directory_bucket::{self, is_directory_bucket};
use crate::s3_server::error_response::S3ErrorResponse;
use crate::s3_server::faults::{Fault, FaultPlan, InjectedFault};
use crate::s3_server::policy::Policy;
use crate::s3_server::request::RecordedRequest;
use crate::s3_server::request_log::{InFlightGet, RequestLog};
use crate::s3_server::truncated_body::{AfterTruncation, TruncatableBody, fraction_of};
use crate::s3_server::virtual_host;

/// Answers requests, or injects a fault instead.
pub struct FaultProxy {
    pub s3: S3Service,
    /// The same server for requests without a signature.
    pub unsigned_s3: S3Service,
    pub faults: FaultPlan,
    pub request_log: Arc<RequestLog>,
    pub buckets: PathBuf,
}

/// Marks a request whose signature cannot be checked, because it was rewritten.
#[derive(Clone)]
struct UnverifiedSignature;

/// The connection is to be closed without a response.
#[derive(Debug)]
pub struct ConnectionClosed;

impl std::fmt::Display for ConnectionClosed {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("connection closed by the test")
    }
}

impl std::error::Error for ConnectionClosed {}

impl FaultProxy {
    /// Answers a request, or injects the fault that is planned for it.
    pub async fn handle(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<Response<TruncatableBody>, ConnectionClosed> {
        if virtual_host::move_bucket_to_path(&mut request) {
            request.extensions_mut().insert(UnverifiedSignature);
        }
        let recorded = RecordedRequest::from_http(&request);
        let in_flight = self.request_log.record_request(&recorded);
        let Some(InjectedFault {
            fault,
            fraction: share,
        }) = self.faults.trigger(&recorded, &self.buckets)
        else {
            return self.respond(request, in_flight).await;
        };
        self.request_log.record_fault();
        match fault {
            Fault::Error(error) => {
                // If the upload were not read, the response would be lost with the connection, which is
                // another fault.
                let _ = request.into_body().collect().await;
                Ok(error
                    .response()
                    .map(|body| TruncatableBody::complete(body, in_flight)))
            }
            Fault::Truncate => {
                self.truncate(request, share, AfterTruncation::Disconnect, in_flight)
                    .await
            }
            Fault::Stall => {
                self.truncate(request, share, AfterTruncation::Stall, in_flight)
                    .await
            }
            Fault::Hang => pending().await,
            Fault::Disconnect => Err(ConnectionClosed),
            Fault::LoseResponse => {
                self.forward(request).await?;
                Err(ConnectionClosed)
            }
            Fault::ResponseHeader(name, value) => {
                let mut response = self.respond(request, in_flight).await?;
                let value = HeaderValue::from_str(&value).unwrap();
                response.headers_mut().insert(name, value);
                Ok(response)
            }
            Fault::IgnoreConditions => {
                // The signature covers the conditions.
                request.extensions_mut().insert(UnverifiedSignature);
                for condition in [IF_MATCH, IF_NONE_MATCH] {
                    request.headers_mut().remove(condition);
                }
                self.respond(request, in_flight).await
            }
            Fault::Delay(time) => {
                tokio::time::sleep(time).await;
                self.respond(request, in_flight).await
            }
        }
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
        in_flight: Option<InFlightGet>,
    ) -> Result<Response<TruncatableBody>, ConnectionClosed> {
        let response = self.forward(request).await?;
        Ok(response.map(|body| TruncatableBody::complete(body, in_flight)))
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, ConnectionClosed> {
        let mut request = request.map(Body::from);
        let recorded = RecordedRequest::from_http(&request);
        let is_denied = |policy: &Policy| !policy.allows(&recorded, &self.buckets);
        if self.faults.policy().is_some_and(is_denied) {
            // If the upload were not read, the response would be lost with the connection.
            let _ = request.into_body().collect().await;
            return Ok(S3ErrorResponse::access_denied().response());
        }
        if let Some(error) = customer_keys::check_read(self.faults.encrypted(), &recorded) {
            return Ok(error.response());
        }
        let is_directory_bucket = is_directory_bucket(&recorded.bucket);
        if is_directory_bucket
            && let Some(response) = directory_bucket::intercept(&recorded, &self.buckets)
        {
            let _ = request.into_body().collect().await;
            return Ok(response);
        }
        let is_unverified = request.extensions().get::<UnverifiedSignature>().is_some();
        let s3 = if is_directory_bucket || is_unverified {
            directory_bucket::remove_signature(request.headers_mut());
            &self.unsigned_s3
        } else {
            &self.s3
        };
        s3.call(request).await.map_err(|_| ConnectionClosed)
    }

    /// Reads part of an upload, or sends part of a response.
    async fn truncate(
        &self,
        request: Request<Incoming>,
        fraction: f64,
        truncation: AfterTruncation,
        in_flight: Option<InFlightGet>,
    ) -> Result<Response<TruncatableBody>, ConnectionClosed> {
        let truncated = if matches!(*request.method(), Method::PUT | Method::POST) {
            let mut body = request.into_body();
            read_fraction(&mut body, fraction).await;
            if truncation == AfterTruncation::Stall {
                // Dropping the body would make hyper read the rest of it.
                let _body = body;
                return pending().await;
            }
            None
        } else {
            let response = self.forward(request).await?;
            TruncatableBody::truncated(response, fraction, truncation, in_flight).await
        };
        match (truncated, truncation) {
            (Some(part), _) => Ok(part),
            (None, AfterTruncation::Disconnect) => Err(ConnectionClosed),
            (None, AfterTruncation::Stall) => pending().await,
        }
    }
}

/// Reads a fraction of a body.
async fn read_fraction(body: &mut Incoming, fraction: f64) {
    let length = body.size_hint().lower();
    let mut remaining = fraction_of(length, fraction).unwrap_or_default();
    while remaining > 0
        && let Some(Ok(frame)) = body.frame().await
    {
        let bytes = frame.into_data().unwrap_or_default();
        remaining = remaining.saturating_sub(bytes.len() as u64);
    }
}
