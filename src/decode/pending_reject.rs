//! Collects a reject whose end has not been found yet.

use std::borrow::Cow;

use super::decode_call::{InputChunk, InputState};
use super::padded_bytes::is_json_whitespace;
use super::reject::{MAX_REJECT_TEXT_BYTES, Reject, RejectReason};
use super::resync::Resync;

/// The reject to which the next bytes belong.
#[derive(Debug)]
pub(super) struct PendingReject {
    reject: Reject,
    /// The search for the position to resume at; `None` if nothing after the reject is decoded.
    resync: Option<Resync>,
    /// The number of whitespace bytes at the end of the bytes so far.
    trailing_whitespace: u64,
}

/// Where the bytes of a chunk that belong to a reject end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RejectEnd {
    /// At this position, where decoding resumes.
    ResumeAt(usize),
    /// At the end of the object.
    ObjectEnd,
    /// Not before this position: what follows is undecided until there are more bytes.
    Undecided(usize),
}

impl PendingReject {
    /// Returns a reject that begins at `start` of the chunk and has no bytes yet.
    pub(super) fn new(
        chunk: InputChunk<'_>,
        start: usize,
        line: u64,
        reason: RejectReason,
        detail: Cow<'static, str>,
    ) -> Self {
        Self {
            reject: Reject {
                reason,
                key: None,
                detail,
                offset: chunk.offset + start as u64,
                line,
                bytes: 0,
                text: Vec::new(),
            },
            resync: None,
            trailing_whitespace: 0,
        }
    }

    /// Resumes decoding where `resync` finds the next record.
    pub(super) fn with_resync(self, resync: Resync) -> Self {
        Self {
            resync: Some(resync),
            ..self
        }
    }

    /// Finds the end of the bytes from `from` of the chunk on that belong to the reject.
    pub(super) fn find_end(&mut self, chunk: InputChunk<'_>, from: usize) -> RejectEnd {
        let is_last = matches!(chunk.input_state, InputState::Eof | InputState::Corrupt(_));
        let Some(resync) = &mut self.resync else {
            return match is_last {
                true => RejectEnd::ObjectEnd,
                false => RejectEnd::Undecided(chunk.len),
            };
        };
        let in_chunk = |offset: u64| (offset - chunk.offset) as usize;
        loop {
            let mut resume = resync.search(chunk.data(), chunk.offset);
            if is_last {
                resume = resume.or(resync.finish());
            }
            if let Some(resume) = resume.map(in_chunk) {
                return RejectEnd::ResumeAt(resume);
            }
            if is_last {
                return RejectEnd::ObjectEnd;
            }
            let undecided = resync.first_undecided().map_or(chunk.len, in_chunk);
            if undecided > from || chunk.input_state != InputState::RecordTooLarge {
                return RejectEnd::Undecided(undecided);
            }
            resync.abandon(chunk.offset + from as u64);
        }
    }

    /// Adds bytes to the reject.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let reject = &mut self.reject;
        let remaining = MAX_REJECT_TEXT_BYTES - reject.text.len();
        reject
            .text
            .extend_from_slice(bytes.get(..remaining).unwrap_or(bytes));
        reject.bytes += bytes.len() as u64;
        let from_end = bytes.iter().rev();
        let whitespace = from_end.take_while(|&&b| is_json_whitespace(b)).count();
        if whitespace < bytes.len() {
            self.trailing_whitespace = 0;
        }
        self.trailing_whitespace += whitespace as u64;
    }

    /// Returns the reject without trailing whitespace.
    pub(super) fn finish(mut self) -> Reject {
        self.reject.bytes -= self.trailing_whitespace;
        let length = usize::try_from(self.reject.bytes).unwrap_or(usize::MAX);
        self.reject.text.truncate(length);
        self.reject
    }
}
