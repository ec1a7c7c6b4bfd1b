//! What stands between the connections and S3: counts, and the faults.

use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::{Method, Request, Response};
use s3s::Body;
use s3s::service::S3Service;

use crate::asked::Asked;
use crate::cut::{End, Sent, share_of};
use crate::faults::{Due, Fault, Faults};
use crate::tally::{Tally, Underway};

/// Answers requests, or does not.
pub struct Front {
    pub s3: S3Service,
    pub faults: Faults,
    pub tally: Arc<Tally>,
    pub buckets: PathBuf,
}

/// The connection is to be closed without an answer.
#[derive(Debug)]
pub struct Hangup;

impl std::fmt::Display for Hangup {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("hung up by the test")
    }
}

impl std::error::Error for Hangup {}

impl Front {
    /// Answers a request.
    pub async fn answer(&self, request: Request<Incoming>) -> Result<Response<Sent>, Hangup> {
        let asked = Asked::of(&request);
        let underway = self.tally.came(&asked);
        let Some(Due { fault, share }) = self.faults.due(&asked, &self.buckets) else {
            return self.whole(request, underway).await;
        };
        self.tally.failed();
        match fault {
            Fault::Reply(reply) => {
                // An answer to an unread upload is lost with the connection, which is another fault.
                let _ = request.into_body().collect().await;
                Ok(reply.response().map(|body| Sent::whole(body, underway)))
            }
            Fault::Cut => self.part(request, share, End::Closed, underway).await,
            Fault::Stall => self.part(request, share, End::Silent, underway).await,
            Fault::Silence => pending().await,
            Fault::Drop => Err(Hangup),
            Fault::Lose => {
                self.carried_out(request).await?;
                Err(Hangup)
            }
            Fault::Late(time) => {
                tokio::time::sleep(time).await;
                self.whole(request, underway).await
            }
        }
    }

    async fn whole(
        &self,
        request: Request<Incoming>,
        underway: Option<Underway>,
    ) -> Result<Response<Sent>, Hangup> {
        let response = self.carried_out(request).await?;
        Ok(response.map(|body| Sent::whole(body, underway)))
    }

    async fn carried_out(&self, request: Request<Incoming>) -> Result<Response<Body>, Hangup> {
        let request = request.map(Body::from);
        self.s3.call(request).await.map_err(|_| Hangup)
    }

    /// Takes part of an upload, or sends part of an answer.
    async fn part(
        &self,
        request: Request<Incoming>,
        share: f64,
        end: End,
        underway: Option<Underway>,
    ) -> Result<Response<Sent>, Hangup> {
        let part = if matches!(*request.method(), Method::PUT | Method::POST) {
            let mut body = request.into_body();
            take(&mut body, share).await;
            if end == End::Silent {
                // With the body let go, the rest would be read.
                let _body = body;
                return pending().await;
            }
            None
        } else {
            let response = self.carried_out(request).await?;
            Sent::part_of(response, share, end, underway).await
        };
        match (part, end) {
            (Some(part), _) => Ok(part),
            (None, End::Closed) => Err(Hangup),
            (None, End::Silent) => pending().await,
        }
    }
}

/// Reads a share of a body.
async fn take(body: &mut Incoming, share: f64) {
    let length = body.size_hint().lower();
    let mut left = share_of(length, share).unwrap_or_default();
    while left > 0
        && let Some(Ok(frame)) = body.frame().await
    {
        let bytes = frame.into_data().unwrap_or_default();
        left = left.saturating_sub(bytes.len() as u64);
    }
}
