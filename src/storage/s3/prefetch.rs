//! Prefetches ranges: splits them into chunks that are fetched concurrently and read in order.
//!
//! A chunk is one request, and waits in memory until it is read. It holds its permit until then, so that at
//! most `max_concurrent_requests` x [`PREFETCH_BYTES`] bytes are buffered, however many readers there are. The
//! chunks of a reader take their permits in order. So the first chunk to be read never waits for a permit that
//! a later chunk of the same reader holds, and readers cannot deadlock.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::bucket_client::{BucketClient, object_version};
use super::customer_key::CustomerKey;
use super::error::{FailedRequest, OperationContext, RequestError};
use crate::aws::error::root_cause;
use crate::error::Result;
use crate::interrupt;
use crate::storage::store::{ObjectRange, ObjectVersion, RangeReader};

/// Bytes of one request: large enough that the time to the first byte hardly matters.
pub(super) const PREFETCH_BYTES: u64 = 4 << 20;

/// Bytes of the first request after the expected end of a range, where usually only the rest of one record is
/// needed. Each further request is twice as long.
const TAIL_READ_BYTES: u64 = 64 << 10;

/// Maximum number of chunks that one reader prefetches.
const PREFETCH_DEPTH: usize = 16;

/// Bytes of progress after which a broken request starts again with the full number of attempts.
const RETRY_RESET_BYTES: u64 = 64 << 10;

/// Reads ranges of objects in a bucket, with prefetching.
pub(super) struct PrefetchReader {
    bucket: Arc<BucketClient>,
    ranges: Vec<ObjectRange>,
    /// The index of the range that is read; `None` before the first.
    current_range: Option<usize>,
    /// The offset of the next byte to read in the object.
    position: u64,
    /// The next chunk to fetch.
    next_fetch: FetchPosition,
    /// Chunks that are being fetched or not read completely, in order.
    in_flight: VecDeque<InFlightChunk>,
    /// The size of the next chunk after the expected end.
    tail_read_bytes: u64,
    /// Completes when the latest chunk has its permit, or was canceled.
    permit_turn: Option<oneshot::Receiver<()>>,
}

/// The position of a chunk.
#[derive(Debug, Clone, Copy, Default)]
struct FetchPosition {
    range_index: usize,
    /// The offset of its first byte in the object.
    offset: u64,
}

/// A chunk of a range that is being fetched.
struct InFlightChunk {
    range_index: usize,
    /// The offset one past its last byte in the object.
    end: u64,
    /// Held until the chunk is read completely.
    permit: Option<OwnedSemaphorePermit>,
    /// Bytes that arrived and are not read yet.
    buffered: Bytes,
    receiver: UnboundedReceiver<Result<FetchEvent>>,
    task: JoinHandle<()>,
}

/// An event of a fetch.
enum FetchEvent {
    /// The permit, which comes first.
    Permit(OwnedSemaphorePermit),
    /// The next bytes.
    Bytes(Bytes),
}

impl Drop for InFlightChunk {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl PrefetchReader {
    /// Creates a reader and starts to prefetch.
    pub(super) fn new(bucket: Arc<BucketClient>, ranges: Vec<ObjectRange>) -> Self {
        let mut reader = Self {
            next_fetch: FetchPosition::default(),
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
            let FetchPosition {
                range_index,
                offset: from,
            } = self.next_fetch;
            let Some(range) = self.ranges.get(range_index) else {
                return;
            };
            let expected_end = range.expected_end.min(range.object.size);
            if from < expected_end {
                let fetch_end = expected_end.min(from.saturating_add(PREFETCH_BYTES));
                let read = self.start_fetch(range_index, from, fetch_end);
                self.in_flight.extend(read);
                self.next_fetch.offset = fetch_end;
            } else {
                self.next_fetch = self.range_start(range_index + 1);
            }
        }
    }

    /// Returns the position of the first chunk of a range.
    fn range_start(&self, range_index: usize) -> FetchPosition {
        let range = self.ranges.get(range_index);
        FetchPosition {
            range_index,
            offset: range.map_or(0, |range| range.start),
        }
    }

    /// Returns true if the current range has more bytes to read.
    fn has_remaining(&self) -> bool {
        let range = self
            .current_range
            .and_then(|range_index| self.ranges.get(range_index));
        range.is_some_and(|range| self.position < range.object.size)
    }

    /// Returns the chunk to read from. If the range was read up to its expected end, starts to fetch more.
    fn current_read(&mut self) -> Option<&mut InFlightChunk> {
        let range_index = self.current_range?;
        if self
            .in_flight
            .front()
            .is_none_or(|read| read.range_index != range_index)
        {
            let range = self.ranges.get(range_index)?;
            // Chunks of later ranges hold permits that this chunk may have to wait for.
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

    fn start_fetch(&mut self, range_index: usize, start: u64, end: u64) -> Option<InFlightChunk> {
        let object = &self.ranges.get(range_index)?.object;
        let (sender, receiver) = unbounded_channel();
        let (permit_acquired, next_turn) = oneshot::channel();
        let fetch = ChunkFetcher {
            bucket: Arc::clone(&self.bucket),
            key: self.bucket.full_key(&object.key),
            version: object.version.clone(),
            sender,
        };
        let turn = self.permit_turn.replace(next_turn);
        let task = fetch.fetch_with_permit(start, end, turn, permit_acquired);
        Some(InFlightChunk {
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
        self.position = start.offset;
        self.tail_read_bytes = TAIL_READ_BYTES;
        while self
            .in_flight
            .front()
            .is_some_and(|read| read.range_index < range_index)
        {
            self.in_flight.pop_front();
        }
        if self.next_fetch.range_index < range_index {
            self.next_fetch = start;
        }
        self.prefetch();
        Ok(())
    }
}

impl Read for PrefetchReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while !to.is_empty() && self.has_remaining() {
            let position = self.position;
            let Some(current) = self.current_read() else {
                continue;
            };
            if current.buffered.is_empty() {
                match current.receiver.blocking_recv() {
                    Some(Ok(FetchEvent::Bytes(bytes))) => current.buffered = bytes,
                    Some(Ok(FetchEvent::Permit(permit))) => current.permit = Some(permit),
                    Some(Err(error)) => return Err(io::Error::other(error)),
                    None if current.end > position => {
                        return Err(io::Error::other("request canceled"));
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

/// Fetches one chunk. A request that breaks is retried from the byte where it broke.
struct ChunkFetcher {
    bucket: Arc<BucketClient>,
    key: String,
    version: ObjectVersion,
    sender: UnboundedSender<Result<FetchEvent>>,
}

impl ChunkFetcher {
    async fn fetch_with_permit(
        self,
        from: u64,
        to: u64,
        turn: Option<oneshot::Receiver<()>>,
        permit_acquired: oneshot::Sender<()>,
    ) {
        if let Some(turn) = turn {
            // An earlier chunk that was canceled drops its sender without taking a permit.
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
        // The reader may have dropped the receiver.
        let _ = self.sender.send(Ok(FetchEvent::Permit(permit)));
        if let Err(error) = self.fetch_all(from, to).await {
            let _ = self.sender.send(Err(error));
        }
    }

    async fn fetch_all(&self, from: u64, to: u64) -> Result<()> {
        let client = &self.bucket.client;
        let operation = OperationContext {
            error_prefix: "cannot read",
            url: self.bucket.url(&self.key),
            permission: self.bucket.read_permission(),
        };
        let (mut position, mut attempts, mut attempts_reset_at) = (from, 0, from);
        while position < to {
            let fetched = tokio::select! {
                fetched = self.fetch_once(&mut position, to) => fetched,
                () = interrupt::stop_began() => Err(RequestError::Stopped),
            };
            let Err(error) = fetched else {
                break;
            };
            if position - attempts_reset_at >= RETRY_RESET_BYTES {
                (attempts, attempts_reset_at) = (0, position);
            }
            attempts += 1;
            client
                .wait_before_retry(&operation, FailedRequest { error, attempts })
                .await
                .map_err(|failed| client.to_error(&operation, &failed))?;
        }
        Ok(())
    }

    /// Sends one request for the bytes from `position` on, and advances `position` by those that arrived.
    async fn fetch_once(
        &self,
        position: &mut u64,
        to: u64,
    ) -> std::result::Result<(), RequestError> {
        let client = &self.bucket.client;
        let read_timeout = client.options().read_timeout;
        let timed_out = |_| RequestError::TimedOut(read_timeout);
        let customer_key = self.bucket.customer_key.as_ref();
        let request = self
            .bucket
            .sdk()
            .get_object()
            .bucket(&self.bucket.name)
            .key(&self.key)
            .range(format!("bytes={position}-{}", to - 1))
            .set_request_payer(client.request_payer())
            .set_sse_customer_algorithm(customer_key.map(CustomerKey::algorithm))
            .set_sse_customer_key(customer_key.map(CustomerKey::header_value))
            .set_sse_customer_key_md5(customer_key.map(CustomerKey::md5_header_value))
            .set_if_match(match &self.version {
                ObjectVersion::ETag(tag) => Some(tag.to_string()),
                _ => None,
            });
        let response = timeout(read_timeout, request.send())
            .await
            .map_err(timed_out)?;
        let mut response =
            response.map_err(|error| match RequestError::from_sdk_error(&error) {
                // The ETag does not match, or the object became shorter than the range.
                error if matches!(error.status(), Some(412 | 416)) => RequestError::ObjectChanged,
                error => error,
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
        // A server without support for ranges returns the object from its beginning.
        let content_range = response.content_range().unwrap_or_default();
        if *position > 0 && !content_range.starts_with(&format!("bytes {position}-")) {
            let why =
                format!("requested bytes from {position}, but got Content-Range '{content_range}'");
            return Err(RequestError::Fatal(why));
        }
        while *position < to {
            let bytes = timeout(read_timeout, response.body.next())
                .await
                .map_err(timed_out)?;
            let bytes = match bytes {
                None => {
                    return Err(RequestError::Transport(
                        "unexpected end of response".to_owned(),
                    ));
                }
                Some(Err(e)) => return Err(RequestError::Transport(root_cause(&e))),
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
