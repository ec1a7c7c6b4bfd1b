//! Decodes JSON bytes into Arrow record batches and rejects, according to a [`RecordSchema`].
//!
//! The decoder runs after reading and before the star schema is built. It does no I/O and starts no
//! threads. A caller passes it one [`InputChunk`] of a segment after the other; the rows and the rejects do
//! not depend on the sizes of the chunks. Each worker has one [`Decoder`] and reuses it for every segment.
//!
//! Every byte of a record is checked: the grammar by [`scanner`], the encoding here, the values of the
//! schema's keys by `builders`. Each record becomes a row or a reject, or is only counted if the filter
//! drops it.

mod builders;
mod candidate_validator;
mod decode_call;
mod interner;
mod key_prediction;
pub mod lexer;
pub mod padded_bytes;
pub mod record_schema;
pub mod reject;
mod resync;
pub mod scanner;
pub mod sniff;
mod structural_index;
pub mod value;

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};

use builders::ColumnBuilder;
pub use decode_call::{DecodeResult, DecodeStatus, InputChunk, InputState, RecordCounts};
use lexer::SyntaxError;
use padded_bytes::byte_at;
use record_schema::RecordSchema;
use reject::{MAX_REJECT_TEXT_BYTES, Reject, RejectReason};
use resync::Resync;
use scanner::{ABSENT, Scanner, ValueKind, ValueSpan};
use sniff::{RecordLayout, UTF8_BOM};
use value::ValueError;

/// A batch is full when its records exceed this number of bytes: text offsets are 32 bits wide, and one
/// more record has at most [`MAX_RECORD_BYTES`].
const MAX_BATCH_BYTES: usize = 256 << 20;

/// The maximum length of a record, in bytes.
pub const MAX_RECORD_BYTES: usize = 256 << 20;

/// The number of records that are appended together, column by column: a loop over one column repeats
/// the same work, whereas a loop over one record does different work at every step.
const BLOCK_ROWS: usize = 32;

/// A record that passed the filter.
#[derive(Debug, Clone)]
struct ScannedRecord {
    record: std::ops::Range<usize>,
    /// The number of newlines from the start of the segment to the record.
    line: u64,
}

/// Decodes the records of one schema.
#[derive(Debug)]
pub struct Decoder {
    schema: &'static RecordSchema,
    arrow_schema: SchemaRef,
    scanner: Scanner,
    columns: Vec<ColumnBuilder>,
    /// The spans of the pending records, at most [`BLOCK_ROWS`], and of the record that is being scanned.
    /// Each record has one span for each key.
    spans: Vec<ValueSpan>,
    pending: Vec<ScannedRecord>,
    rows: usize,
    max_rows: usize,
    batch_bytes: usize,
    counts: RecordCounts,
    rejects: Vec<Reject>,
    /// The number of newlines since the start of the segment.
    newlines: u64,
    /// Whether the previous byte is a newline.
    is_after_newline: bool,
    /// How the records of the object are arranged; `None` until enough of its first bytes are known.
    layout: Option<RecordLayout>,
    /// Whether the object is one array of records.
    is_array: bool,
    /// Whether the array has not been closed since the last record.
    is_array_open: bool,
    /// The reject to which the next bytes belong.
    pending_reject: Option<PendingReject>,
}

/// A reject whose end has not been found yet.
#[derive(Debug)]
struct PendingReject {
    reject: Reject,
    /// The search for the position to resume at; `None` if the whole object is rejected as not JSON.
    resync: Option<Resync>,
    /// The number of whitespace bytes at the end of the bytes so far.
    trailing_whitespace: u64,
}

impl Decoder {
    /// Returns a decoder whose batches have at most `max_rows` rows (0 counts as 1).
    pub fn new(schema: &'static RecordSchema, max_rows: usize) -> Self {
        let mut keys: Vec<_> = schema.fields.iter().map(|f| f.key).collect();
        keys.extend(schema.filter.map(|f| f.key));
        Self {
            schema,
            arrow_schema: schema.arrow_schema(),
            spans: vec![ABSENT; (BLOCK_ROWS + 1) * keys.len()],
            pending: Vec::with_capacity(BLOCK_ROWS),
            scanner: Scanner::new(keys),
            columns: schema.fields.iter().map(ColumnBuilder::new).collect(),
            rows: 0,
            max_rows: max_rows.max(1),
            batch_bytes: 0,
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

    /// Prepares for new input and discards all rows, rejects and counts.
    pub fn reset(&mut self) {
        for column in &mut self.columns {
            column.clear();
        }
        self.pending.clear();
        (self.rows, self.batch_bytes) = (0, 0);
        self.counts = RecordCounts::default();
        self.rejects.clear();
        self.begin_segment(None);
    }

    /// Prepares for the first chunk of another segment. A segment that begins inside an object needs the
    /// object's `layout`; `None` means that the segment begins at the first byte of the object.
    pub fn begin_segment(&mut self, layout: Option<RecordLayout>) {
        self.newlines = 0;
        self.is_after_newline = false;
        self.layout = layout;
        self.is_array = layout == Some(RecordLayout::Array);
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
        self.rows
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

    /// Returns the rows so far as a record batch and begins the next batch.
    ///
    /// # Errors
    /// Returns an error only on a bug in this module: Arrow checks its input.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let columns = self
            .columns
            .iter_mut()
            .map(ColumnBuilder::finish)
            .collect::<Result<_, _>>()?;
        (self.rows, self.batch_bytes) = (0, 0);
        RecordBatch::try_new(Arc::clone(&self.arrow_schema), columns)
    }

    /// Decodes records from a chunk until more bytes are needed, the batch is full, or the segment is
    /// complete. A segment ends at the end of its object, or where a line begins with `{` at or after
    /// `segment_end` (a byte offset in the object).
    pub fn decode(&mut self, chunk: InputChunk<'_>, segment_end: u64) -> DecodeResult {
        let result = self.scan_records(chunk, segment_end);
        self.append_pending(chunk);
        result
    }

    fn scan_records(&mut self, chunk: InputChunk<'_>, segment_end: u64) -> DecodeResult {
        let bytes = chunk.padded;
        let result = |consumed, status| DecodeResult { consumed, status };
        self.scanner.reset();
        let mut at = 0;
        if self.layout.is_none() && !self.detect_layout(chunk) {
            return result(0, DecodeStatus::NeedInput);
        }
        if self.pending_reject.is_some() {
            at = match self.resync(chunk, 0) {
                Ok(next) => next,
                Err(stopped) => return stopped,
            };
        }
        loop {
            at = self.skip_between_records(chunk, at);
            if at >= chunk.len {
                return match chunk.input_state {
                    InputState::More | InputState::RecordTooLarge => {
                        result(chunk.len, DecodeStatus::NeedInput)
                    }
                    InputState::Eof => {
                        if self.is_array_open {
                            self.reject_at_end(chunk, "unterminated array");
                        }
                        result(chunk.len, DecodeStatus::SegmentEnd)
                    }
                    InputState::Corrupt(why) => {
                        self.reject_at_end(chunk, why);
                        result(chunk.len, DecodeStatus::SegmentEnd)
                    }
                };
            }
            if self.is_after_newline
                && chunk.offset + at as u64 >= segment_end
                && byte_at(bytes, at) == b'{'
            {
                return result(at, DecodeStatus::SegmentEnd);
            }
            if self.pending.len() == BLOCK_ROWS || self.is_full() {
                self.append_pending(chunk);
                if self.is_full() {
                    return result(at, DecodeStatus::BatchFull);
                }
            }
            let num_keys = self.scanner.num_keys();
            let row = self.pending.len() * num_keys;
            let spans = self.spans.get_mut(row..row + num_keys).unwrap_or_default();
            match self.scanner.scan_record(bytes, at, spans) {
                Ok(span) => {
                    let record = bytes.get(at..span.end).unwrap_or_default();
                    self.is_after_newline = false;
                    self.is_array_open = self.is_array;
                    if !span.is_ascii && simdutf8::basic::from_utf8(record).is_err() {
                        self.append_pending(chunk);
                        let line = self.newlines;
                        let record = at..span.end;
                        self.push_reject(
                            chunk,
                            record,
                            line,
                            RejectReason::Encoding,
                            None,
                            "invalid UTF-8",
                        );
                    } else if passes_filter(self.schema, bytes, spans) {
                        self.pending.push(ScannedRecord {
                            record: at..span.end,
                            line: self.newlines,
                        });
                    } else {
                        self.counts.filtered += 1;
                    }
                    self.counts.records += 1;
                    if span.has_control_whitespace {
                        self.newlines += padded_bytes::count_newlines(record);
                    }
                    at = span.end;
                }
                Err(error)
                    if chunk.input_state == InputState::More
                        && (error.pos >= chunk.len || ends_in_partial_bom(chunk, at)) =>
                {
                    return result(at, DecodeStatus::NeedInput);
                }
                Err(error) => {
                    self.append_pending(chunk);
                    self.begin_syntax_reject(chunk, at, error);
                    at = match self.resync(chunk, at) {
                        Ok(next) => next,
                        Err(stopped) => return stopped,
                    };
                }
            }
        }
    }

    /// Detects how the records of an object are arranged, from its first bytes. Returns false if more bytes
    /// are needed. An object of another format becomes one reject.
    fn detect_layout(&mut self, chunk: InputChunk<'_>) -> bool {
        let data = chunk.padded.get(..chunk.len).unwrap_or_default();
        self.layout = sniff::detect_layout(data, chunk.input_state != InputState::More);
        self.is_array = self.layout == Some(RecordLayout::Array);
        if let Some(RecordLayout::NotJson(format)) = self.layout {
            let detail = Cow::Owned(format!("looks like {format}, not JSON"));
            self.begin_reject(chunk, 0, RejectReason::NotJson, detail, None);
        }
        self.layout.is_some()
    }

    /// Returns true if the batch and the pending records leave no room for another record.
    fn is_full(&self) -> bool {
        self.rows + self.pending.len() >= self.max_rows || self.batch_bytes > MAX_BATCH_BYTES
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
            0xEF if chunk
                .padded
                .get(at..)
                .unwrap_or_default()
                .starts_with(UTF8_BOM) =>
            {
                UTF8_BOM.len()
            }
            _ => 0,
        }
    }

    /// Appends the pending records to the batch, or rejects them.
    fn append_pending(&mut self, chunk: InputChunk<'_>) {
        let rows = self.pending.len();
        if rows == 0 {
            return;
        }
        let num_keys = self.scanner.num_keys();
        let bytes = chunk.padded;
        let mut columns = self.columns.iter_mut().enumerate();
        let all_valid = columns.all(|(field, column)| {
            let spans = self.spans.iter().skip(field).step_by(num_keys).take(rows);
            column.extend(bytes, spans.copied()).is_ok()
        });
        if all_valid {
            self.rows += rows;
            self.counts.kept += rows as u64;
            self.batch_bytes += self
                .pending
                .iter()
                .map(|row| row.record.len())
                .sum::<usize>();
            self.pending.clear();
        } else {
            self.append_row_by_row(chunk, num_keys);
        }
    }

    /// Appends the pending records one by one, because at least one of them has an invalid value.
    #[cold]
    fn append_row_by_row(&mut self, chunk: InputChunk<'_>, num_keys: usize) {
        let pending = std::mem::take(&mut self.pending);
        let spans = std::mem::take(&mut self.spans);
        for (row, spans) in pending.iter().zip(spans.chunks_exact(num_keys)) {
            // Rejected rows count too: their interned texts stay in the batch.
            self.batch_bytes += row.record.len();
            let mut first_error: Option<(ValueError, &str)> = None;
            for (column, &span) in self.columns.iter_mut().zip(spans) {
                column.truncate(self.rows);
                if let Err(error) = column.extend(chunk.padded, std::iter::once(span))
                    && first_error.is_none_or(|(first, _)| error.reason < first.reason)
                {
                    first_error = Some((error, column.field().key));
                }
            }
            let Some((error, key)) = first_error else {
                self.rows += 1;
                self.counts.kept += 1;
                continue;
            };
            for column in &mut self.columns {
                column.truncate(self.rows);
            }
            let record = row.record.clone();
            let (reason, detail) = (error.reason, error.message);
            self.push_reject(chunk, record, row.line, reason, Some(key), detail);
        }
        self.spans = spans;
        self.pending = pending;
        self.pending.clear();
    }

    fn push_reject(
        &mut self,
        chunk: InputChunk<'_>,
        record: std::ops::Range<usize>,
        line: u64,
        reason: RejectReason,
        key: Option<&'static str>,
        detail: &'static str,
    ) {
        let start = record.start;
        let text = chunk.padded.get(record).unwrap_or_default();
        self.counts.rejected += 1;
        self.rejects.push(Reject {
            reason,
            key,
            detail: Cow::Borrowed(detail),
            offset: chunk.offset + start as u64,
            line,
            bytes: text.len() as u64,
            text: text.get(..MAX_REJECT_TEXT_BYTES).unwrap_or(text).to_vec(),
        });
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
        let offset = chunk.offset + start as u64;
        let resync = Resync::new(self.schema.known_keys, self.is_array, offset);
        self.begin_reject(chunk, start, RejectReason::Syntax, detail, Some(resync));
    }

    /// Begins a reject that has no bytes yet.
    fn begin_reject(
        &mut self,
        chunk: InputChunk<'_>,
        start: usize,
        reason: RejectReason,
        detail: Cow<'static, str>,
        resync: Option<Resync>,
    ) {
        self.counts.records += 1;
        self.counts.rejected += 1;
        let reject = Reject {
            reason,
            key: None,
            detail,
            offset: chunk.offset + start as u64,
            line: self.newlines,
            bytes: 0,
            text: Vec::new(),
        };
        self.pending_reject = Some(PendingReject {
            reject,
            resync,
            trailing_whitespace: 0,
        });
    }

    /// Adds a reject at the end of the object, for bytes that are missing there.
    #[cold]
    fn reject_at_end(&mut self, chunk: InputChunk<'_>, detail: &str) {
        self.append_pending(chunk);
        let detail = Cow::Owned(detail.to_owned());
        self.begin_reject(chunk, chunk.len, RejectReason::Syntax, detail, None);
        self.rejects
            .extend(self.pending_reject.take().map(PendingReject::finish));
    }

    /// Skips the rest of a reject, from byte `from` of the chunk on. Returns the position to resume at.
    fn resync(&mut self, chunk: InputChunk<'_>, from: usize) -> Result<usize, DecodeResult> {
        let Some(mut pending) = self.pending_reject.take() else {
            return Ok(from);
        };
        let data = chunk.padded.get(..chunk.len).unwrap_or_default();
        let is_last = matches!(chunk.input_state, InputState::Eof | InputState::Corrupt(_));
        let in_chunk = |offset: u64| (offset - chunk.offset) as usize;
        let mut resume = None;
        let mut end = chunk.len;
        if let Some(resync) = &mut pending.resync {
            resume = resync.search(data, chunk.offset).map(in_chunk);
            if is_last {
                resume = resume.or(resync.finish().map(in_chunk));
            }
            if let Some(undecided) = resync.first_undecided().map(in_chunk)
                && !is_last
            {
                end = undecided;
                if end == from && chunk.input_state == InputState::RecordTooLarge {
                    resync.abandon(chunk.offset + from as u64);
                    self.pending_reject = Some(pending);
                    return self.resync(chunk, from);
                }
            }
        }
        let end = resume.unwrap_or(end);
        let skipped = data.get(from..end).unwrap_or_default();
        self.newlines += padded_bytes::count_newlines(skipped);
        if let Some(&last) = skipped.last() {
            self.is_after_newline = last == b'\n';
        }
        pending.extend(skipped);
        if resume.is_none() && !is_last {
            self.pending_reject = Some(pending);
            return Err(DecodeResult {
                consumed: end,
                status: DecodeStatus::NeedInput,
            });
        }
        self.rejects.push(pending.finish());
        resume.ok_or(DecodeResult {
            consumed: end,
            status: DecodeStatus::SegmentEnd,
        })
    }
}

impl PendingReject {
    /// Adds bytes to the reject.
    fn extend(&mut self, bytes: &[u8]) {
        let reject = &mut self.reject;
        let remaining = MAX_REJECT_TEXT_BYTES - reject.text.len().min(MAX_REJECT_TEXT_BYTES);
        reject
            .text
            .extend_from_slice(bytes.get(..remaining).unwrap_or(bytes));
        reject.bytes += bytes.len() as u64;
        let from_end = bytes.iter().rev();
        let whitespace = from_end
            .take_while(|&&b| padded_bytes::is_json_whitespace(b))
            .count();
        if whitespace < bytes.len() {
            self.trailing_whitespace = 0;
        }
        self.trailing_whitespace += whitespace as u64;
    }

    /// Returns the reject without trailing whitespace.
    fn finish(mut self) -> Reject {
        self.reject.bytes -= self.trailing_whitespace;
        let length = usize::try_from(self.reject.bytes).unwrap_or(usize::MAX);
        self.reject.text.truncate(length);
        self.reject
    }
}

/// Returns true if the chunk ends within a possible byte order mark at `at`.
fn ends_in_partial_bom(chunk: InputChunk<'_>, at: usize) -> bool {
    let rest = chunk.padded.get(at..chunk.len).unwrap_or_default();
    !rest.is_empty() && rest.len() < UTF8_BOM.len() && UTF8_BOM.starts_with(rest)
}

/// Returns true if the filter keeps the record with these spans.
#[inline(always)]
fn passes_filter(schema: &RecordSchema, bytes: &[u8], spans: &[ValueSpan]) -> bool {
    let Some(filter) = schema.filter else {
        return true;
    };
    // The key of the filter follows those of the fields.
    let Some(span) = spans.get(schema.fields.len()) else {
        return false;
    };
    let raw = bytes.get(span.start..span.end).unwrap_or_default();
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
