//! Decodes the records of an object, one chunk after the other.

use std::borrow::Cow;
use std::ops::ControlFlow;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use super::batch_builder::{BatchBuilder, InvalidField};
use super::decode_call::{DecodeResult, DecodeStatus, InputChunk, InputState, RecordCounts};
use super::lexer::SyntaxError;
use super::padded_bytes::{byte_at, count_newlines};
use super::pending_reject::{PendingReject, RejectEnd};
use super::record_block::{RecordBlock, ScannedRecord};
use super::reject::{Reject, RejectReason};
use super::resync::Resync;
use super::scanner::Scanner;
use super::sniff::{self, RecordLayout, UTF8_BOM};
use super::unknown_keys::UnknownKey;
use super::value;
use super::value_span::{RecordSpan, ValueKind, ValueSpan};
use crate::model::{RecordFilter, RecordSchema};

/// Decodes the records of one schema.
#[derive(Debug)]
pub struct Decoder {
    schema: &'static RecordSchema,
    scanner: Scanner,
    /// The scanned records that are not in the batch yet.
    block: RecordBlock,
    batch: BatchBuilder,
    counts: RecordCounts,
    rejects: Vec<Reject>,
    /// The number of newlines since the start of the segment.
    newlines: u64,
    /// Whether the previous byte is a newline.
    is_after_newline: bool,
    /// How the records of the object are arranged; `None` until enough of its first bytes are known.
    layout: Option<RecordLayout>,
    /// Whether commas and brackets may be between the records.
    is_array: bool,
    /// Whether the array has not been closed since the last record.
    is_array_open: bool,
    /// The reject to which the next bytes belong.
    pending_reject: Option<PendingReject>,
}

impl Decoder {
    /// Returns a decoder whose batches have at most `max_rows` rows (0 counts as 1).
    pub fn new(schema: &'static RecordSchema, max_rows: usize) -> Self {
        let mut keys: Vec<_> = schema.fields.iter().map(|f| f.key).collect();
        // The key of the filter follows those of the fields.
        keys.extend(schema.filter.map(|f| f.key));
        Self {
            schema,
            block: RecordBlock::new(keys.len()),
            batch: BatchBuilder::new(schema, max_rows.max(1)),
            scanner: Scanner::new(keys, schema.unused_keys),
            counts: RecordCounts::default(),
            rejects: Vec::new(),
            newlines: 0,
            is_after_newline: false,
            layout: None,
            is_array: false,
            is_array_open: false,
            pending_reject: None,
        }
    }

    /// Prepares for new input and discards all rows, rejects, unknown keys and counts.
    pub fn reset(&mut self) {
        self.block.clear();
        self.batch.clear();
        self.counts = RecordCounts::default();
        self.rejects.clear();
        self.scanner.clear_unknown_keys();
        self.begin_segment(None);
    }

    /// Prepares for the first chunk of another segment. A segment that begins inside an object needs the
    /// object's `layout`; `None` means that the segment begins at the first byte of the object.
    pub fn begin_segment(&mut self, layout: Option<RecordLayout>) {
        self.newlines = 0;
        self.is_after_newline = false;
        self.layout = layout;
        self.is_array = matches!(layout, Some(RecordLayout::Array | RecordLayout::Elements));
        self.is_array_open = self.is_array;
        self.pending_reject = None;
    }

    /// Returns the layout of the object, or `None` if too few of its first bytes have been decoded.
    pub fn layout(&self) -> Option<RecordLayout> {
        self.layout
    }

    /// Returns the number of newlines from the start of the segment to the end of the consumed bytes.
    pub fn newlines(&self) -> u64 {
        self.newlines
    }

    /// Returns the number of rows in the batch that is being built.
    pub fn rows(&self) -> usize {
        self.batch.rows()
    }

    /// Takes the counts and starts again at 0.
    pub fn take_counts(&mut self) -> RecordCounts {
        std::mem::take(&mut self.counts)
    }

    /// Returns the number of records that were read since the counts were last taken.
    pub fn records(&self) -> u64 {
        self.counts.records
    }

    /// Returns the number of records that became a row since the counts were last taken.
    pub fn kept(&self) -> u64 {
        self.counts.kept
    }

    /// Takes the rejects so far, in order.
    pub fn take_rejects(&mut self) -> Vec<Reject> {
        std::mem::take(&mut self.rejects)
    }

    /// Takes the unknown keys since they were last taken. Each key is returned once between two resets, for its
    /// first occurrence in a record that is a JSON object in UTF-8, whatever becomes of the record.
    pub fn take_unknown_keys(&mut self) -> Vec<UnknownKey> {
        self.scanner.take_unknown_keys()
    }

    /// Returns true if there were more unknown keys since the last reset than are returned.
    pub fn has_more_unknown_keys(&self) -> bool {
        self.scanner.has_more_unknown_keys()
    }

    /// Returns the rows so far as a record batch and begins the next batch.
    ///
    /// # Errors
    /// Returns an error only on a bug in this module: Arrow checks its input.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        self.batch.finish()
    }

    /// Decodes records from a chunk until more bytes are needed, the batch is full, or the segment is
    /// complete. A segment ends at the end of its object, or where a line begins with `{` at or after
    /// `segment_end` (a byte offset in the object).
    pub fn decode(&mut self, chunk: InputChunk<'_>, segment_end: u64) -> DecodeResult {
        let result = self.scan_records(chunk, segment_end);
        self.append_block(chunk);
        result
    }

    fn scan_records(&mut self, chunk: InputChunk<'_>, segment_end: u64) -> DecodeResult {
        let result = |consumed, status| DecodeResult { consumed, status };
        self.scanner.reset();
        if self.layout.is_none() && !self.detect_layout(chunk) {
            return result(0, DecodeStatus::NeedInput);
        }
        let mut at = match self.skip_reject(chunk, 0) {
            ControlFlow::Continue(next) => next,
            ControlFlow::Break(stopped) => return stopped,
        };
        loop {
            at = self.skip_between_records(chunk, at);
            if at >= chunk.len {
                return result(chunk.len, self.end_chunk(chunk));
            }
            if self.is_after_newline
                && chunk.offset + at as u64 >= segment_end
                && byte_at(chunk.padded, at) == b'{'
            {
                return result(at, DecodeStatus::SegmentEnd);
            }
            if self.block.is_full() || self.batch.is_full_after(self.block.len()) {
                self.append_block(chunk);
                if self.batch.is_full_after(0) {
                    return result(at, DecodeStatus::BatchFull);
                }
            }
            let spans = self.block.next_spans();
            match self.scanner.scan_record(chunk.padded, at, spans) {
                Ok(span) => {
                    self.add_record(chunk, at, span);
                    at = span.end;
                }
                Err(error) if may_be_incomplete(chunk, at, error) => {
                    self.scanner.discard_pending_keys();
                    return result(at, DecodeStatus::NeedInput);
                }
                Err(error) => {
                    self.scanner.discard_pending_keys();
                    self.append_block(chunk);
                    self.begin_syntax_reject(chunk, at, error);
                    at = match self.skip_reject(chunk, at) {
                        ControlFlow::Continue(next) => next,
                        ControlFlow::Break(stopped) => return stopped,
                    };
                }
            }
        }
    }

    /// Detects how the records of an object are arranged, from its first bytes. Returns false if more bytes
    /// are needed. An object of another format becomes one reject.
    fn detect_layout(&mut self, chunk: InputChunk<'_>) -> bool {
        let is_complete = chunk.input_state != InputState::More;
        self.layout = sniff::detect_layout(chunk.data(), is_complete);
        self.is_array = self.layout == Some(RecordLayout::Array);
        if let Some(RecordLayout::NotJson(format)) = self.layout {
            let detail = Cow::Owned(format!("looks like {format}, not JSON"));
            let reject = PendingReject::new(chunk, 0, self.newlines, RejectReason::NotJson, detail);
            self.begin_reject(reject);
        }
        self.layout.is_some()
    }

    /// Skips the bytes that may separate two records.
    #[inline(always)]
    fn skip_between_records(&mut self, chunk: InputChunk<'_>, mut at: usize) -> usize {
        loop {
            match byte_at(chunk.padded, at) {
                b'\n' => {
                    self.newlines += 1;
                    self.is_after_newline = true;
                }
                b' ' | b'\t' | b'\r' => self.is_after_newline = false,
                b'{' => return at,
                other => match self.separator_len(chunk, at, other) {
                    0 => return at,
                    bytes => {
                        self.is_after_newline = false;
                        at += bytes;
                        continue;
                    }
                },
            }
            at += 1;
        }
    }

    /// Returns the length of a byte order mark or an array separator at `at`; 0 if there is neither. In an
    /// array, commas and brackets between records count as whitespace, so that a missing or an extra one
    /// costs no record.
    #[cold]
    fn separator_len(&mut self, chunk: InputChunk<'_>, at: usize, first: u8) -> usize {
        match first {
            b',' if self.is_array => 1,
            b'[' | b']' if self.is_array => {
                self.is_array_open = first == b'[';
                1
            }
            0xEF if chunk.padded[at..].starts_with(UTF8_BOM) => UTF8_BOM.len(),
            _ => 0,
        }
    }

    /// Returns the status at the end of a chunk, which is between two records. An object that ends too early
    /// has a last reject.
    fn end_chunk(&mut self, chunk: InputChunk<'_>) -> DecodeStatus {
        match chunk.input_state {
            InputState::More | InputState::RecordTooLarge => return DecodeStatus::NeedInput,
            InputState::Eof if self.is_array_open && self.layout == Some(RecordLayout::Array) => {
                self.reject_at_end(chunk, "unterminated array");
            }
            InputState::Eof => {}
            InputState::Corrupt(why) => self.reject_at_end(chunk, why),
        }
        DecodeStatus::SegmentEnd
    }

    /// Adds a scanned record to the block, or rejects or drops it.
    #[inline(always)]
    fn add_record(&mut self, chunk: InputChunk<'_>, start: usize, span: RecordSpan) {
        let bytes = &chunk.padded[start..span.end];
        let record = ScannedRecord {
            bytes: start..span.end,
            line: self.newlines,
        };
        self.is_after_newline = false;
        self.is_array_open = self.is_array;
        self.counts.records += 1;
        if !span.is_ascii && simdutf8::basic::from_utf8(bytes).is_err() {
            self.scanner.discard_pending_keys();
            self.append_block(chunk);
            self.counts.rejected += 1;
            let reject = Reject::from_record(
                chunk,
                &record,
                RejectReason::Encoding,
                None,
                "invalid UTF-8",
            );
            self.rejects.push(reject);
        } else {
            if self.scanner.has_pending_keys() {
                self.scanner
                    .keep_pending_keys(chunk.padded, start, record.line);
            }
            if self.is_kept(chunk.padded) {
                self.block.push(record);
            } else {
                self.counts.filtered += 1;
            }
        }
        if span.has_control_whitespace {
            self.newlines += count_newlines(bytes);
        }
    }

    /// Returns true if the filter keeps the record that was scanned last.
    #[inline(always)]
    fn is_kept(&mut self, bytes: &[u8]) -> bool {
        match self.schema.filter {
            None => true,
            // The key of the filter follows those of the fields.
            Some(filter) => {
                let span = self.block.next_spans()[self.schema.fields.len()];
                passes_filter(filter, bytes, span)
            }
        }
    }

    /// Appends the records of the block to the batch, or rejects them.
    fn append_block(&mut self, chunk: InputChunk<'_>) {
        if self.block.len() == 0 {
            return;
        }
        if self.batch.append_block(chunk.padded, &self.block) {
            self.counts.kept += self.block.len() as u64;
        } else {
            self.append_one_by_one(chunk);
        }
        self.block.clear();
    }

    /// Appends the records of the block one by one, because at least one of them has an invalid value.
    #[cold]
    fn append_one_by_one(&mut self, chunk: InputChunk<'_>) {
        for (record, spans) in self.block.rows() {
            let appended = self
                .batch
                .append_record(chunk.padded, spans, record.bytes.len());
            match appended {
                Ok(()) => self.counts.kept += 1,
                Err(InvalidField { key, error }) => {
                    self.counts.rejected += 1;
                    let (reason, message) = (error.reason, error.message);
                    let reject = Reject::from_record(chunk, record, reason, Some(key), message);
                    self.rejects.push(reject);
                }
            }
        }
    }

    /// Begins the reject of a record that is not a JSON object.
    #[cold]
    fn begin_syntax_reject(&mut self, chunk: InputChunk<'_>, start: usize, error: SyntaxError) {
        let detail = match chunk.input_state {
            _ if error.pos < chunk.len => Cow::Owned(format!(
                "{} at byte {}",
                error.message,
                chunk.offset + error.pos as u64
            )),
            InputState::Corrupt(why) => Cow::Owned(why.to_owned()),
            InputState::RecordTooLarge => Cow::Borrowed("record longer than 256 MiB"),
            InputState::Eof | InputState::More => Cow::Borrowed("unexpected end of object"),
        };
        let reject = PendingReject::new(chunk, start, self.newlines, RejectReason::Syntax, detail);
        let offset = chunk.offset + start as u64;
        let resync = Resync::new(self.schema, self.is_array, offset);
        self.begin_reject(reject.with_resync(resync));
    }

    /// Counts a reject that has no bytes yet.
    fn begin_reject(&mut self, reject: PendingReject) {
        self.counts.records += 1;
        self.counts.rejected += 1;
        self.pending_reject = Some(reject);
    }

    /// Adds a reject at the end of the object, for bytes that are missing there.
    #[cold]
    fn reject_at_end(&mut self, chunk: InputChunk<'_>, detail: &str) {
        self.append_block(chunk);
        self.counts.records += 1;
        self.counts.rejected += 1;
        let detail = Cow::Owned(detail.to_owned());
        let (at, line) = (chunk.len, self.newlines);
        let reject = PendingReject::new(chunk, at, line, RejectReason::Syntax, detail);
        self.rejects.push(reject.finish());
    }

    /// Skips the bytes from `from` of the chunk on that belong to the pending reject, if there is one.
    /// Returns the position to resume at, or the result of the call if there is none in the chunk.
    fn skip_reject(
        &mut self,
        chunk: InputChunk<'_>,
        from: usize,
    ) -> ControlFlow<DecodeResult, usize> {
        let Some(mut pending) = self.pending_reject.take() else {
            return ControlFlow::Continue(from);
        };
        let reject_end = pending.find_end(chunk, from);
        let end = match reject_end {
            RejectEnd::ResumeAt(end) | RejectEnd::Undecided(end) => end,
            RejectEnd::ObjectEnd => chunk.len,
        };
        let skipped = &chunk.data()[from..end];
        self.newlines += count_newlines(skipped);
        if let Some(&last) = skipped.last() {
            self.is_after_newline = last == b'\n';
        }
        pending.extend(skipped);
        let status = match reject_end {
            RejectEnd::Undecided(_) => {
                self.pending_reject = Some(pending);
                DecodeStatus::NeedInput
            }
            RejectEnd::ObjectEnd => {
                self.rejects.push(pending.finish());
                DecodeStatus::SegmentEnd
            }
            RejectEnd::ResumeAt(_) => {
                self.rejects.push(pending.finish());
                return ControlFlow::Continue(end);
            }
        };
        ControlFlow::Break(DecodeResult {
            consumed: end,
            status,
        })
    }
}

/// Returns true if a syntax error may disappear when more bytes follow: it is at the end of the chunk, or
/// the chunk ends within a possible byte order mark at `at`.
fn may_be_incomplete(chunk: InputChunk<'_>, at: usize, error: SyntaxError) -> bool {
    let rest = &chunk.data()[at..];
    let is_partial_bom = rest.len() < UTF8_BOM.len() && UTF8_BOM.starts_with(rest);
    chunk.input_state == InputState::More && (error.pos >= chunk.len || is_partial_bom)
}

/// Returns true if the filter keeps the record whose value of the filter's key is at `span`.
#[inline(always)]
fn passes_filter(filter: RecordFilter, bytes: &[u8], span: ValueSpan) -> bool {
    let raw = &bytes[span.start..span.end];
    match span.kind {
        ValueKind::PlainString => raw == filter.value.as_bytes(),
        ValueKind::EscapedString => {
            let mut text = Vec::new();
            value::unescape(raw, &mut text).is_ok() && text == filter.value.as_bytes()
        }
        ValueKind::Absent
        | ValueKind::Null
        | ValueKind::Bool
        | ValueKind::Number
        | ValueKind::Nested => false,
    }
}
