//! Response bodies that can be truncated.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::{Body as _, Bytes, Frame, SizeHint};
use hyper::header::CONTENT_LENGTH;
use s3s::{Body, StdError};

use crate::s3_server::request_log::InFlightGet;

/// What happens after the bytes that are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterTruncation {
    /// The connection is closed.
    Disconnect,
    /// Nothing more is sent, and the connection stays open.
    Stall,
}

/// The body of a response.
pub struct TruncatableBody {
    body: Body,
    truncated: Option<TruncatedBody>,
    _in_flight: Option<InFlightGet>,
}

struct TruncatedBody {
    content_length: u64,
    remaining: u64,
    truncation: AfterTruncation,
    flushed: bool,
}

impl TruncatableBody {
    /// Creates a body that is sent completely.
    pub fn complete(body: Body, in_flight: Option<InFlightGet>) -> Self {
        Self {
            body,
            truncated: None,
            _in_flight: in_flight,
        }
    }

    /// Returns a response whose body ends early although its head states the full length, or `None` if the
    /// body is empty.
    pub async fn truncated(
        response: Response<Body>,
        fraction: f64,
        truncation: AfterTruncation,
        in_flight: Option<InFlightGet>,
    ) -> Option<Response<Self>> {
        let (mut head, body) = response.into_parts();
        let declared_length = head.headers.get(CONTENT_LENGTH);
        let declared = declared_length.map(|length| length.to_str().unwrap().parse().unwrap());
        let (body, length) = match declared.or(body.size_hint().exact()) {
            Some(length) => (body, length),
            None => {
                let bytes = body.collect().await.ok()?.to_bytes();
                let length = bytes.len() as u64;
                (Body::from(bytes), length)
            }
        };
        let left = fraction_of(length, fraction)?;
        head.headers.insert(CONTENT_LENGTH, length.into());
        let truncation_state = TruncatedBody {
            content_length: length,
            remaining: left,
            truncation,
            flushed: false,
        };
        let body = Self {
            body,
            truncated: Some(truncation_state),
            _in_flight: in_flight,
        };
        Some(Response::from_parts(head, body))
    }
}

/// Returns a fraction of a length, always less than the whole, or `None` if the length is 0.
pub fn fraction_of(length: u64, fraction: f64) -> Option<u64> {
    let last = length.checked_sub(1)?;
    Some(((length as f64 * fraction) as u64).min(last))
}

impl hyper::body::Body for TruncatableBody {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let Self {
            body,
            truncated: truncation_state,
            ..
        } = &mut *self;
        let Some(truncation_state) = truncation_state else {
            return Pin::new(body).poll_frame(context);
        };
        if truncation_state.remaining == 0 {
            if truncation_state.truncation == AfterTruncation::Disconnect
                && truncation_state.flushed
            {
                return Poll::Ready(Some(Err("truncated by the test".into())));
            }
            // hyper flushes the bytes only when the body is pending.
            if truncation_state.truncation == AfterTruncation::Disconnect {
                truncation_state.flushed = true;
                context.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        let frame = std::task::ready!(Pin::new(body).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| {
                let mut data = frame.into_data().unwrap_or_default();
                data.truncate(usize::try_from(truncation_state.remaining).unwrap_or(usize::MAX));
                truncation_state.remaining -= data.len() as u64;
                Frame::data(data)
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.truncated.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.truncated {
            Some(truncation_state) => SizeHint::with_exact(truncation_state.content_length),
            None => self.body.size_hint(),
        }
    }
}
