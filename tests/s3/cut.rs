//! A body as it is sent, perhaps not to its end.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::{Body as _, Bytes, Frame, SizeHint};
use hyper::header::CONTENT_LENGTH;
use s3s::{Body, StdError};

use crate::tally::Underway;

/// What becomes of a body behind the bytes that are let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The connection is closed.
    Closed,
    /// Nothing comes any more.
    Silent,
}

/// A body as it is sent.
pub struct Sent {
    body: Body,
    cut: Option<Cut>,
    _underway: Option<Underway>,
}

struct Cut {
    length: u64,
    left: u64,
    end: End,
    flushed: bool,
}

impl Sent {
    /// All of it.
    pub fn whole(body: Body, underway: Option<Underway>) -> Self {
        Self {
            body,
            cut: None,
            _underway: underway,
        }
    }

    /// An answer with a share of its body, less than all, that says it had all. `None` where there is
    /// nothing to cut.
    pub async fn part_of(
        response: Response<Body>,
        share: f64,
        end: End,
        underway: Option<Underway>,
    ) -> Option<Response<Self>> {
        let (mut head, body) = response.into_parts();
        let stated = head.headers.get(CONTENT_LENGTH);
        let stated = stated.map(|length| length.to_str().unwrap().parse().unwrap());
        let (body, length) = match stated.or(body.size_hint().exact()) {
            Some(length) => (body, length),
            None => {
                let bytes = body.collect().await.ok()?.to_bytes();
                let length = bytes.len() as u64;
                (Body::from(bytes), length)
            }
        };
        let left = share_of(length, share)?;
        head.headers.insert(CONTENT_LENGTH, length.into());
        let cut = Cut {
            length,
            left,
            end,
            flushed: false,
        };
        let body = Self {
            body,
            cut: Some(cut),
            _underway: underway,
        };
        Some(Response::from_parts(head, body))
    }
}

/// A share of so many bytes, always less than all; `None` of no bytes.
pub fn share_of(length: u64, share: f64) -> Option<u64> {
    let last = length.checked_sub(1)?;
    Some(((length as f64 * share) as u64).min(last))
}

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let Self { body, cut, .. } = &mut *self;
        let Some(cut) = cut else {
            return Pin::new(body).poll_frame(context);
        };
        if cut.left == 0 {
            if cut.end == End::Closed && cut.flushed {
                return Poll::Ready(Some(Err("cut by the test".into())));
            }
            // What was let through is sent only when there is nothing more to be had at once.
            if cut.end == End::Closed {
                cut.flushed = true;
                context.waker().wake_by_ref();
            }
            return Poll::Pending;
        }
        let frame = std::task::ready!(Pin::new(body).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| {
                let mut data = frame.into_data().unwrap_or_default();
                data.truncate(usize::try_from(cut.left).unwrap_or(usize::MAX));
                cut.left -= data.len() as u64;
                Frame::data(data)
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.cut.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.cut {
            Some(cut) => SizeHint::with_exact(cut.length),
            None => self.body.size_hint(),
        }
    }
}
