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
use super::{Bucket, version};
use crate::error::Result;
use crate::storage::{ObjectRange, ObjectVersion, RangeReader};

/// Bytes of one request: large enough that the time to the first byte does not matter.
pub const PIECE: u64 = 4 << 20;

/// Bytes of the first request behind the likely end of a range, where but the rest of a record is
/// wanted. Each one after it is twice as long.
const OVERRUN: u64 = 64 << 10;

/// Pieces of one reader that are fetched ahead.
const AHEAD: usize = 16;

/// Bytes after which a request that breaks has brought something, so that tries count anew.
const PROGRESS: u64 = 64 << 10;

/// Reads ranges of objects in a bucket.
pub struct PrefetchReader {
    bucket: Arc<Bucket>,
    ranges: Vec<ObjectRange>,
    /// The range that is read; none before the first.
    current: Option<usize>,
    /// Where in it.
    at: u64,
    /// The range and the byte in it of the next piece to ask for.
    next: (usize, u64),
    /// What was asked for and not read yet, in order.
    pieces: VecDeque<InFlightRead>,
    /// The size of the next piece behind the likely end.
    overrun: u64,
    /// Ends when the piece that was asked for last has its permit, or never will.
    turn: Option<oneshot::Receiver<()>>,
}

/// A part of a range that is being fetched.
struct InFlightRead {
    range: usize,
    /// One past its last byte in the object.
    to: u64,
    /// Held until all is read.
    permit: Option<OwnedSemaphorePermit>,
    /// The bytes at hand.
    bytes: Bytes,
    rest: UnboundedReceiver<Result<FetchEvent>>,
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
    pub fn new(bucket: Arc<Bucket>, ranges: Vec<ObjectRange>) -> Self {
        let mut reader = Self {
            next: (0, 0),
            bucket,
            ranges,
            current: None,
            at: 0,
            pieces: VecDeque::new(),
            overrun: OVERRUN,
            turn: None,
        };
        reader.next = reader.start_of(0);
        reader.fetch_ahead();
        reader
    }

    fn fetch_ahead(&mut self) {
        while self.pieces.len() < AHEAD {
            let (number, from) = self.next;
            let Some(range) = self.ranges.get(number) else {
                return;
            };
            let until = range.until.min(range.entry.size);
            if from < until {
                let to = until.min(from.saturating_add(PIECE));
                let piece = self.fetch(number, from, to);
                self.pieces.extend(piece);
                self.next = (number, to);
            } else {
                self.next = self.start_of(number + 1);
            }
        }
    }

    /// Where the pieces of a range begin.
    fn start_of(&self, number: usize) -> (usize, u64) {
        (
            number,
            self.ranges.get(number).map_or(0, |range| range.from),
        )
    }

    /// Whether there is more to read of the range.
    fn is_inside(&self) -> bool {
        let range = self.current.and_then(|number| self.ranges.get(number));
        range.is_some_and(|range| self.at < range.entry.size)
    }

    /// The piece that is read. If there is none, all that was likely is read, and more is asked for.
    fn piece(&mut self) -> Option<&mut InFlightRead> {
        let number = self.current?;
        if self
            .pieces
            .front()
            .is_none_or(|piece| piece.range != number)
        {
            let range = self.ranges.get(number)?;
            // What waits of later ranges holds permits that this piece may have to wait for.
            self.pieces.clear();
            self.next = self.start_of(number + 1);
            let end = self.at.saturating_add(self.overrun).min(range.entry.size);
            let piece = self.fetch(number, self.at, end);
            self.pieces.extend(piece);
            self.overrun = (self.overrun * 2).min(PIECE);
        }
        self.pieces.front_mut()
    }

    fn fetch(&mut self, number: usize, from: u64, to: u64) -> Option<InFlightRead> {
        let entry = &self.ranges.get(number)?.entry;
        let (sender, rest) = unbounded_channel();
        let (permitted, next) = oneshot::channel();
        let fetch = Fetch {
            bucket: Arc::clone(&self.bucket),
            key: self.bucket.key(&entry.key),
            version: entry.version.clone(),
            sender,
        };
        let turn = self.turn.replace(next);
        let task = fetch.run(from, to, turn, permitted);
        Some(InFlightRead {
            range: number,
            to,
            permit: None,
            bytes: Bytes::new(),
            rest,
            task: self.bucket.connection.spawn(task),
        })
    }
}

impl RangeReader for PrefetchReader {
    fn next_range(&mut self) -> Result<()> {
        let number = self.current.map_or(0, |number| number + 1);
        let begin = self.start_of(number);
        self.current = Some(number);
        self.at = begin.1;
        self.overrun = OVERRUN;
        while self
            .pieces
            .front()
            .is_some_and(|piece| piece.range < number)
        {
            self.pieces.pop_front();
        }
        if self.next.0 < number {
            self.next = begin;
        }
        self.fetch_ahead();
        Ok(())
    }
}

impl Read for PrefetchReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while !to.is_empty() && self.is_inside() {
            let at = self.at;
            let Some(piece) = self.piece() else {
                continue;
            };
            if piece.bytes.is_empty() {
                match piece.rest.blocking_recv() {
                    Some(Ok(FetchEvent::Bytes(bytes))) => piece.bytes = bytes,
                    Some(Ok(FetchEvent::Permit(permit))) => piece.permit = Some(permit),
                    Some(Err(error)) => return Err(io::Error::other(error)),
                    None if piece.to > at => {
                        return Err(io::Error::other("a request was stopped before its end"));
                    }
                    None => {
                        self.pieces.pop_front();
                        self.fetch_ahead();
                    }
                }
                continue;
            }
            let count = piece.bytes.len().min(to.len());
            let (to, _) = to.split_at_mut(count);
            piece.bytes.copy_to_slice(to);
            self.at += count as u64;
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
    async fn run(
        self,
        from: u64,
        to: u64,
        turn: Option<oneshot::Receiver<()>>,
        permitted: oneshot::Sender<()>,
    ) {
        if let Some(turn) = turn {
            // A piece before this one that is not wanted any more takes no permit.
            let _ = turn.await;
        }
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(self.bucket.connection.reads())
            .acquire_owned()
            .await
        else {
            return;
        };
        drop(permitted);
        // Whoever asked may not want to know any more.
        let _ = self.sender.send(Ok(FetchEvent::Permit(permit)));
        if let Err(error) = self.send_all(from, to).await {
            let _ = self.sender.send(Err(error));
        }
    }

    async fn send_all(&self, from: u64, to: u64) -> Result<()> {
        let connection = &self.bucket.connection;
        let call = Operation {
            cannot: "cannot read",
            url: self.bucket.url(&self.key),
            permission: "s3:GetObject",
        };
        let (mut at, mut tried, mut counted_from) = (from, 0, from);
        while at < to {
            let Err(failure) = self.attempt(&mut at, to).await else {
                break;
            };
            if at - counted_from >= PROGRESS {
                (tried, counted_from) = (0, at);
            }
            tried += 1;
            if !connection.again(&call, &failure, tried).await {
                return Err(connection.error(&call, &(failure, tried)));
            }
        }
        Ok(())
    }

    /// One request for what is missing; says how far it came.
    async fn attempt(&self, at: &mut u64, to: u64) -> std::result::Result<(), RequestError> {
        let connection = &self.bucket.connection;
        let patience = connection.options().patience;
        let stalled = |_| RequestError::TimedOut(patience);
        let request = connection
            .client()
            .get_object()
            .bucket(&self.bucket.name)
            .key(&self.key)
            .range(format!("bytes={at}-{}", to - 1))
            .set_request_payer(connection.payer())
            .set_if_match(match &self.version {
                ObjectVersion::ETag(tag) => Some(tag.to_string()),
                _ => None,
            });
        let answer = timeout(patience, request.send()).await.map_err(stalled)?;
        let mut answer = answer.map_err(|error| match RequestError::of(&error) {
            // The bytes are gone, or it is another object by now.
            failure if matches!(failure.status(), Some(412 | 416)) => RequestError::ObjectChanged,
            failure => failure,
        })?;
        let found = version(answer.e_tag(), answer.last_modified());
        let same = match (&self.version, &found) {
            (ObjectVersion::ETag(_), ObjectVersion::ETag(_)) => self.version == found,
            (ObjectVersion::LastModified(listed), _) => answer
                .last_modified()
                .is_none_or(|now| now.secs() == *listed),
            _ => true,
        };
        if !same {
            return Err(RequestError::ObjectChanged);
        }
        // A server that knows no ranges would answer with the beginning.
        let range = answer.content_range().unwrap_or_default();
        if *at > 0 && !range.starts_with(&format!("bytes {at}-")) {
            let why = format!("byte {at} was asked for, and the answer is of '{range}'");
            return Err(RequestError::Fatal(why));
        }
        while *at < to {
            let bytes = timeout(patience, answer.body.next())
                .await
                .map_err(stalled)?;
            let bytes = match bytes {
                None => {
                    return Err(RequestError::Transport(
                        "the answer ended too early".to_owned(),
                    ));
                }
                Some(Err(e)) => return Err(RequestError::Transport(super::error::innermost(&e))),
                Some(Ok(bytes)) => bytes,
            };
            let wanted = usize::try_from(to - *at).unwrap_or(usize::MAX);
            let bytes = bytes.slice(..bytes.len().min(wanted));
            *at += bytes.len() as u64;
            let _ = self.sender.send(Ok(FetchEvent::Bytes(bytes)));
        }
        Ok(())
    }
}
