//! Reading ahead: the ranges of a reader, cut into pieces that are fetched side by side and read in
//! order.
//!
//! A piece is one request and waits in memory until it is read. It holds its permit as long, so no
//! more than `requests` x [`PIECE`] bytes wait, however many readers there are. The pieces of a reader
//! take their permits in order: whoever holds one can read on and give it back.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::error::{Operation, RequestError};
use super::{Bucket, object_version};
use crate::error::Result;
use crate::storage::{ObjectRange, ObjectVersion, RangeReader};

/// Bytes of one request: large enough that the time to the first byte does not matter.
pub(super) const PREFETCH_BYTES: u64 = 4 << 20;

/// Bytes of the first request behind the likely end of a range, where but the rest of a record is
/// wanted. Each one after it is twice as long.
const TAIL_READ_BYTES: u64 = 64 << 10;

/// Pieces of one reader that are fetched ahead.
const PREFETCH_DEPTH: usize = 16;

/// Bytes after which a request that breaks has brought something, so that tries count anew.
const RETRY_RESET_BYTES: u64 = 64 << 10;

/// Reads ranges of objects in a bucket.
pub(super) struct PrefetchReader {
    bucket: Arc<Bucket>,
    ranges: Vec<ObjectRange>,
    /// The range that is read; none before the first.
    current_range: Option<usize>,
    /// Where in it.
    position: u64,
    /// The range and the byte in it of the next piece to ask for.
    next_fetch: (usize, u64),
    /// What was asked for and not read yet, in order.
    in_flight: VecDeque<InFlightRead>,
    /// The size of the next piece behind the likely end.
    tail_read_bytes: u64,
    /// Ends when the piece that was asked for last has its permit, or never will.
    permit_turn: Option<oneshot::Receiver<()>>,
}

/// A part of a range that is being fetched.
struct InFlightRead {
    range_index: usize,
    /// One past its last byte in the object.
    end: u64,
    /// Held until all is read.
    permit: Option<OwnedSemaphorePermit>,
    /// The bytes at hand.
    buffered: Bytes,
    receiver: UnboundedReceiver<Result<FetchEvent>>,
    task: JoinHandle<()>,
}

/// What comes of a piece.
enum FetchEvent {
    /// First the permit.
    Permit(OwnedSemaphorePermit),
    /// Then its bytes.
    Bytes(Bytes),
}

impl Drop for InFlightRead {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl PrefetchReader {
    /// A reader that has begun to fetch.
    pub(super) fn new(bucket: Arc<Bucket>, ranges: Vec<ObjectRange>) -> Self {
        let mut reader = Self {
            next_fetch: (0, 0),
            bucket,
            ranges,
            current_range: None,
            position: 0,
            in_flight: VecDeque::new(),
            tail_read_bytes: TAIL_READ_BYTES,
            permit_turn: None,
        };
        reader.next_fetch = reader.range_start(0);
        reader.prefetch();
        reader
    }

    fn prefetch(&mut self) {
        while self.in_flight.len() < PREFETCH_DEPTH {
            let (range_index, from) = self.next_fetch;
            let Some(range) = self.ranges.get(range_index) else {
                return;
            };
            let expected_end = range.expected_end.min(range.object.size);
            if from < expected_end {
                let fetch_end = expected_end.min(from.saturating_add(PREFETCH_BYTES));
                let read = self.start_fetch(range_index, from, fetch_end);
                self.in_flight.extend(read);
                self.next_fetch = (range_index, fetch_end);
            } else {
                self.next_fetch = self.range_start(range_index + 1);
            }
        }
    }

    /// Where the pieces of a range begin.
    fn range_start(&self, range_index: usize) -> (usize, u64) {
        (
            range_index,
            self.ranges.get(range_index).map_or(0, |range| range.start),
        )
    }

    /// Whether there is more to read of the range.
    fn has_remaining(&self) -> bool {
        let range = self
            .current_range
            .and_then(|range_index| self.ranges.get(range_index));
        range.is_some_and(|range| self.position < range.object.size)
    }

    /// The piece that is read. If there is none, all that was likely is read, and more is asked for.
    fn current_read(&mut self) -> Option<&mut InFlightRead> {
        let range_index = self.current_range?;
        if self
            .in_flight
            .front()
            .is_none_or(|read| read.range_index != range_index)
        {
            let range = self.ranges.get(range_index)?;
            // What waits of later ranges holds permits that this piece may have to wait for.
            self.in_flight.clear();
            self.next_fetch = self.range_start(range_index + 1);
            let fetch_end = self
                .position
                .saturating_add(self.tail_read_bytes)
                .min(range.object.size);
            let read = self.start_fetch(range_index, self.position, fetch_end);
            self.in_flight.extend(read);
            self.tail_read_bytes = (self.tail_read_bytes * 2).min(PREFETCH_BYTES);
        }
        self.in_flight.front_mut()
    }

    fn start_fetch(&mut self, range_index: usize, start: u64, end: u64) -> Option<InFlightRead> {
        let entry = &self.ranges.get(range_index)?.object;
        let (sender, receiver) = unbounded_channel();
        let (permit_acquired, next_turn) = oneshot::channel();
        let fetch = Fetch {
            bucket: Arc::clone(&self.bucket),
            key: self.bucket.full_key(&entry.key),
            version: entry.version.clone(),
            sender,
        };
        let turn = self.permit_turn.replace(next_turn);
        let task = fetch.fetch_with_permit(start, end, turn, permit_acquired);
        Some(InFlightRead {
            range_index,
            end,
            permit: None,
            buffered: Bytes::new(),
            receiver,
            task: self.bucket.client.spawn(task),
        })
    }
}

impl RangeReader for PrefetchReader {
    fn next_range(&mut self) -> Result<()> {
        let range_index = self.current_range.map_or(0, |number| number + 1);
        let start = self.range_start(range_index);
        self.current_range = Some(range_index);
        self.position = start.1;
        self.tail_read_bytes = TAIL_READ_BYTES;
        while self
            .in_flight
            .front()
            .is_some_and(|read| read.range_index < range_index)
        {
            self.in_flight.pop_front();
        }
        if self.next_fetch.0 < range_index {
            self.next_fetch = start;
        }
        self.prefetch();
        Ok(())
    }
}

impl Read for PrefetchReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while !to.is_empty() && self.has_remaining() {
            let at = self.position;
            let Some(current) = self.current_read() else {
                continue;
            };
            if current.buffered.is_empty() {
                match current.receiver.blocking_recv() {
                    Some(Ok(FetchEvent::Bytes(bytes))) => current.buffered = bytes,
                    Some(Ok(FetchEvent::Permit(permit))) => current.permit = Some(permit),
                    Some(Err(error)) => return Err(io::Error::other(error)),
                    None if current.end > at => {
                        return Err(io::Error::other("a request was stopped before its end"));
                    }
                    None => {
                        self.in_flight.pop_front();
                        self.prefetch();
                    }
                }
                continue;
            }
            let count = current.buffered.len().min(to.len());
            let (to, _) = to.split_at_mut(count);
            current.buffered.copy_to_slice(to);
            self.position += count as u64;
            return Ok(count);
        }
        Ok(0)
    }
}

/// One request for a piece, made again from where it broke until the piece is whole.
struct Fetch {
    bucket: Arc<Bucket>,
    key: String,
    version: ObjectVersion,
    sender: UnboundedSender<Result<FetchEvent>>,
}

impl Fetch {
    async fn fetch_with_permit(
        self,
        from: u64,
        to: u64,
        turn: Option<oneshot::Receiver<()>>,
        permit_acquired: oneshot::Sender<()>,
    ) {
        if let Some(turn) = turn {
            // A piece before this one that is not wanted any more takes no permit.
            let _ = turn.await;
        }
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(self.bucket.client.read_permits())
            .acquire_owned()
            .await
        else {
            return;
        };
        drop(permit_acquired);
        // Whoever asked may not want to know any more.
        let _ = self.sender.send(Ok(FetchEvent::Permit(permit)));
        if let Err(error) = self.fetch_all(from, to).await {
            let _ = self.sender.send(Err(error));
        }
    }

    async fn fetch_all(&self, from: u64, to: u64) -> Result<()> {
        let client = &self.bucket.client;
        let operation = Operation {
            error_prefix: "cannot read",
            url: self.bucket.url(&self.key),
            permission: "s3:GetObject",
        };
        let (mut position, mut attempts, mut attempts_reset_at) = (from, 0, from);
        while position < to {
            let Err(error) = self.fetch_once(&mut position, to).await else {
                break;
            };
            if position - attempts_reset_at >= RETRY_RESET_BYTES {
                (attempts, attempts_reset_at) = (0, position);
            }
            attempts += 1;
            if !client
                .backoff_or_give_up(&operation, &error, attempts)
                .await
            {
                return Err(client.to_error(&operation, &(error, attempts)));
            }
        }
        Ok(())
    }

    /// One request for what is missing; says how far it came.
    async fn fetch_once(
        &self,
        position: &mut u64,
        to: u64,
    ) -> std::result::Result<(), RequestError> {
        let client = &self.bucket.client;
        let read_timeout = client.options().read_timeout;
        let timed_out = |_| RequestError::TimedOut(read_timeout);
        let request = client
            .sdk()
            .get_object()
            .bucket(&self.bucket.name)
            .key(&self.key)
            .range(format!("bytes={position}-{}", to - 1))
            .set_request_payer(client.request_payer())
            .set_if_match(match &self.version {
                ObjectVersion::ETag(tag) => Some(tag.to_string()),
                _ => None,
            });
        let response = timeout(read_timeout, request.send())
            .await
            .map_err(timed_out)?;
        let mut response =
            response.map_err(|error| match RequestError::from_sdk_error(&error) {
                // The bytes are gone, or it is another object by now.
                failure if matches!(failure.status(), Some(412 | 416)) => {
                    RequestError::ObjectChanged
                }
                failure => failure,
            })?;
        let found_version = object_version(response.e_tag(), response.last_modified());
        let is_same = match (&self.version, &found_version) {
            (ObjectVersion::ETag(_), ObjectVersion::ETag(_)) => self.version == found_version,
            (ObjectVersion::LastModified(listed), _) => response
                .last_modified()
                .is_none_or(|now| now.secs() == *listed),
            _ => true,
        };
        if !is_same {
            return Err(RequestError::ObjectChanged);
        }
        // A server that knows no ranges would answer with the beginning.
        let content_range = response.content_range().unwrap_or_default();
        if *position > 0 && !content_range.starts_with(&format!("bytes {position}-")) {
            let why =
                format!("byte {position} was asked for, and the answer is of '{content_range}'");
            return Err(RequestError::Fatal(why));
        }
        while *position < to {
            let bytes = timeout(read_timeout, response.body.next())
                .await
                .map_err(timed_out)?;
            let bytes = match bytes {
                None => {
                    return Err(RequestError::Transport(
                        "the answer ended too early".to_owned(),
                    ));
                }
                Some(Err(e)) => return Err(RequestError::Transport(super::error::root_cause(&e))),
                Some(Ok(bytes)) => bytes,
            };
            let remaining = usize::try_from(to - *position).unwrap_or(usize::MAX);
            let bytes = bytes.slice(..bytes.len().min(remaining));
            *position += bytes.len() as u64;
            let _ = self.sender.send(Ok(FetchEvent::Bytes(bytes)));
        }
        Ok(())
    }
}
