//! Decoding: JSON bytes in, Arrow record batches and rejects out, by a [`RecordSchema`].
//!
//! Stands between reading and building the star. It does no I/O and knows no threads: a caller
//! hands it one [`Chunk`] of a segment after the other, in any sizes, and gets the same rows and the
//! same rejects. One [`Decoder`] serves one worker and is used again for segment after segment.
//!
//! Every byte of a record is checked: the grammar by [`scanner`], the encoding here, the values of
//! wanted keys by `column`. A record that passes becomes a row, a reject or (when the filter drops
//! it) a count.

mod builders;
pub mod bytes;
mod chunk;
mod interner;
pub mod lexer;
mod pushdown;
pub mod reject;
mod resync;
pub mod scanner;
pub mod schema;
pub mod sniff;
mod speculation;
mod structural_index;
pub mod value;

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};

use builders::ColumnBuilder;
use bytes::byte;
pub use chunk::{Chunk, DecodeResult, DecodeStatus, InputState, RecordCounts};
use lexer::SyntaxError;
use reject::{MAX_TEXT, Reject, RejectReason};
use resync::Resync;
use scanner::{ABSENT, Scanner, ValueKind, ValueSpan};
use schema::RecordSchema;
use sniff::{BYTE_ORDER_MARK, Layout};

/// Bytes of records beyond which a batch is full: offsets of text are 32 bits wide, and one more
/// record is at most [`MAX_RECORD`] long.
const MAX_BATCH_BYTES: usize = 256 << 20;

/// The longest record that is accepted, in bytes.
pub const MAX_RECORD: usize = 256 << 20;

/// Records that become rows together, column by column: a loop over one column does the same work
/// time and again, where a loop over one record does something else at every step.
const BLOCK: usize = 32;

/// A record that passed the filter.
#[derive(Debug, Clone)]
struct PendingRow {
    record: std::ops::Range<usize>,
    /// Newlines from the start of the segment to the record.
    line: u64,
}

/// Decodes the records of one kind.
#[derive(Debug)]
pub struct Decoder {
    schema: &'static RecordSchema,
    arrow: SchemaRef,
    scanner: Scanner,
    columns: Vec<ColumnBuilder>,
    /// The slots of the records that wait to become rows, [`BLOCK`] of them at most, and of the one
    /// that is being scanned; as many a record as there are keys.
    slots: Vec<ValueSpan>,
    waiting: Vec<PendingRow>,
    rows: usize,
    max_rows: usize,
    batch_bytes: usize,
    counts: RecordCounts,
    rejects: Vec<Reject>,
    /// Newlines since the start of the segment.
    lines: u64,
    /// Whether the byte before is a newline.
    after_newline: bool,
    /// How the records of the object are arranged; `None` until its first bytes tell.
    layout: Option<Layout>,
    /// Whether that is one array.
    is_array: bool,
    /// Whether the array has not been closed after the last record.
    is_array_open: bool,
    /// The reject that the next bytes belong to.
    skipping: Option<PendingReject>,
}

/// A reject whose end is not known yet.
#[derive(Debug)]
struct PendingReject {
    reject: Reject,
    /// The search for the place to resume at; `None` for a whole object that is not JSON.
    resync: Option<Resync>,
    /// White space at the end of the bytes so far.
    blanks: u64,
}

impl Decoder {
    /// A decoder whose batches hold at most `max_rows` rows, at least 1.
    pub fn new(schema: &'static RecordSchema, max_rows: usize) -> Self {
        let mut keys: Vec<_> = schema.fields.iter().map(|f| f.key).collect();
        keys.extend(schema.filter.map(|f| f.key));
        Self {
            schema,
            arrow: schema.arrow(),
            slots: vec![ABSENT; (BLOCK + 1) * keys.len()],
            waiting: Vec::with_capacity(BLOCK),
            scanner: Scanner::new(keys),
            columns: schema.fields.iter().map(ColumnBuilder::new).collect(),
            rows: 0,
            max_rows: max_rows.max(1),
            batch_bytes: 0,
            counts: RecordCounts::default(),
            rejects: Vec::new(),
            lines: 0,
            after_newline: false,
            layout: None,
            is_array: false,
            is_array_open: false,
            skipping: None,
        }
    }

    /// Makes ready for other input, whatever became of the last.
    pub fn clear(&mut self) {
        for column in &mut self.columns {
            column.clear();
        }
        self.waiting.clear();
        (self.rows, self.batch_bytes) = (0, 0);
        self.counts = RecordCounts::default();
        self.rejects.clear();
        self.begin_segment(None);
    }

    /// Makes ready for the first chunk of another segment. One that begins inside an object needs to be told
    /// its `layout`; `None` means that the object is read from its first byte on.
    pub fn begin_segment(&mut self, layout: Option<Layout>) {
        self.lines = 0;
        self.after_newline = false;
        self.layout = layout;
        self.is_array = layout == Some(Layout::Array);
        self.is_array_open = self.is_array;
        self.skipping = None;
    }

    /// Returns the layout of the object, once enough of its first bytes have been decoded.
    pub fn layout(&self) -> Option<Layout> {
        self.layout
    }

    /// Newlines from the start of the segment to the end of what was consumed.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Rows in the batch that is being built.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The counts since they were last taken.
    pub fn take_counts(&mut self) -> RecordCounts {
        std::mem::take(&mut self.counts)
    }

    /// Returns how many records were read since the counts were last taken.
    pub fn records(&self) -> u64 {
        self.counts.records
    }

    /// Records that became a row since the counts were last taken.
    pub fn kept(&self) -> u64 {
        self.counts.kept
    }

    /// The rejects since they were last taken, in order.
    pub fn take_rejects(&mut self) -> Vec<Reject> {
        std::mem::take(&mut self.rejects)
    }

    /// The rows so far as a record batch; the decoder begins the next one.
    ///
    /// # Errors
    /// None that a caller can cause: Arrow checks what this module promises.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let columns = self
            .columns
            .iter_mut()
            .map(ColumnBuilder::finish)
            .collect::<Result<_, _>>()?;
        (self.rows, self.batch_bytes) = (0, 0);
        RecordBatch::try_new(Arc::clone(&self.arrow), columns)
    }

    /// Decodes records from a chunk until it wants more, the batch is full, or the segment is done:
    /// at the end of the object, or where a line begins with `{` at or after `segment_end` (a byte
    /// offset in the object).
    pub fn decode(&mut self, chunk: Chunk<'_>, segment_end: u64) -> DecodeResult {
        let progress = self.scan(chunk, segment_end);
        self.append(chunk);
        progress
    }

    fn scan(&mut self, chunk: Chunk<'_>, segment_end: u64) -> DecodeResult {
        let bytes = chunk.padded;
        let done = |consumed, stop| DecodeResult { consumed, stop };
        self.scanner.begin();
        let mut at = 0;
        if self.layout.is_none() && !self.detect_layout(chunk) {
            return done(0, DecodeStatus::NeedInput);
        }
        if self.skipping.is_some() {
            at = match self.skip(chunk, 0) {
                Ok(next) => next,
                Err(progress) => return progress,
            };
        }
        loop {
            at = self.space(chunk, at);
            if at >= chunk.len {
                return match chunk.rest {
                    InputState::More | InputState::RecordTooLarge => {
                        done(chunk.len, DecodeStatus::NeedInput)
                    }
                    InputState::Eof => {
                        if self.is_array_open {
                            self.reject_end(
                                chunk,
                                "the array of records does not end with a closing bracket",
                            );
                        }
                        done(chunk.len, DecodeStatus::SegmentEnd)
                    }
                    InputState::Corrupt(why) => {
                        self.reject_end(chunk, why);
                        done(chunk.len, DecodeStatus::SegmentEnd)
                    }
                };
            }
            if self.after_newline
                && chunk.offset + at as u64 >= segment_end
                && byte(bytes, at) == b'{'
            {
                return done(at, DecodeStatus::SegmentEnd);
            }
            if self.waiting.len() == BLOCK || self.is_full() {
                self.append(chunk);
                if self.is_full() {
                    return done(at, DecodeStatus::BatchFull);
                }
            }
            let width = self.scanner.width();
            let row = self.waiting.len() * width;
            let slots = self.slots.get_mut(row..row + width).unwrap_or_default();
            match self.scanner.record(bytes, at, slots) {
                Ok(scanned) => {
                    let record = bytes.get(at..scanned.end).unwrap_or_default();
                    self.after_newline = false;
                    self.is_array_open = self.is_array;
                    if !scanned.ascii && simdutf8::basic::from_utf8(record).is_err() {
                        self.append(chunk);
                        let line = self.lines;
                        let record = at..scanned.end;
                        self.reject(
                            chunk,
                            record,
                            line,
                            RejectReason::Encoding,
                            None,
                            "not UTF-8",
                        );
                    } else if is_kept(self.schema, bytes, slots) {
                        self.waiting.push(PendingRow {
                            record: at..scanned.end,
                            line: self.lines,
                        });
                    } else {
                        self.counts.filtered += 1;
                    }
                    self.counts.records += 1;
                    if scanned.spaced {
                        self.lines += bytes::newlines(record);
                    }
                    at = scanned.end;
                }
                Err(error)
                    if chunk.rest == InputState::More
                        && (error.at >= chunk.len || is_mark_begun(chunk, at)) =>
                {
                    return done(at, DecodeStatus::NeedInput);
                }
                Err(error) => {
                    self.append(chunk);
                    self.reject_syntax(chunk, at, error);
                    at = match self.skip(chunk, at) {
                        Ok(next) => next,
                        Err(progress) => return progress,
                    };
                }
            }
        }
    }

    /// Finds out how the records of an object are arranged, from the first bytes of it; returns false if more
    /// bytes are needed. An object of another format becomes one reject.
    fn detect_layout(&mut self, chunk: Chunk<'_>) -> bool {
        let data = chunk.padded.get(..chunk.len).unwrap_or_default();
        self.layout = sniff::detect(data, chunk.rest != InputState::More);
        self.is_array = self.layout == Some(Layout::Array);
        if let Some(Layout::NotJson(format)) = self.layout {
            let detail = Cow::Owned(format!("it looks like {format}, not like JSON"));
            self.begin_reject(chunk, 0, RejectReason::NotJson, detail, None);
        }
        self.layout.is_some()
    }

    /// Whether the batch would hold no more records than those that wait.
    fn is_full(&self) -> bool {
        self.rows + self.waiting.len() >= self.max_rows || self.batch_bytes > MAX_BATCH_BYTES
    }

    /// Skips what can be between two records.
    #[inline(always)]
    fn space(&mut self, chunk: Chunk<'_>, mut at: usize) -> usize {
        loop {
            match byte(chunk.padded, at) {
                b'\n' => {
                    self.lines += 1;
                    self.after_newline = true;
                }
                b' ' | b'\t' | b'\r' => self.after_newline = false,
                b'{' => return at,
                other => match self.separator(chunk, at, other) {
                    0 => return at,
                    bytes => {
                        self.after_newline = false;
                        at += bytes;
                        continue;
                    }
                },
            }
            at += 1;
        }
    }

    /// Returns the length of a byte order mark, or of what separates the records of an array, at `at`; 0 if
    /// there is neither. Commas and brackets between records count as white space in an array, so that a missing
    /// or a superfluous one costs no record.
    #[cold]
    fn separator(&mut self, chunk: Chunk<'_>, at: usize, first: u8) -> usize {
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
                .starts_with(BYTE_ORDER_MARK) =>
            {
                BYTE_ORDER_MARK.len()
            }
            _ => 0,
        }
    }

    /// Appends the waiting records to the batch, or rejects them.
    fn append(&mut self, chunk: Chunk<'_>) {
        let rows = self.waiting.len();
        if rows == 0 {
            return;
        }
        let width = self.scanner.width();
        let bytes = chunk.padded;
        let mut columns = self.columns.iter_mut().enumerate();
        let all = columns.all(|(field, column)| {
            let slots = self.slots.iter().skip(field).step_by(width).take(rows);
            column.extend(bytes, slots.copied()).is_ok()
        });
        if all {
            self.rows += rows;
            self.counts.kept += rows as u64;
            self.batch_bytes += self.waiting.iter().map(|w| w.record.len()).sum::<usize>();
            self.waiting.clear();
        } else {
            self.append_each(chunk, width);
        }
    }

    /// The same record by record: at least one of them has a bad value.
    #[cold]
    fn append_each(&mut self, chunk: Chunk<'_>, width: usize) {
        let waiting = std::mem::take(&mut self.waiting);
        let slots = std::mem::take(&mut self.slots);
        for (waiting, slots) in waiting.iter().zip(slots.chunks_exact(width)) {
            // Repeating texts of a rejected row stay in the batch.
            self.batch_bytes += waiting.record.len();
            let mut worst = None;
            for (column, &slot) in self.columns.iter_mut().zip(slots) {
                column.truncate(self.rows);
                if let Err((reason, what)) = column.extend(chunk.padded, std::iter::once(slot))
                    && worst.is_none_or(|(other, _, _)| reason < other)
                {
                    worst = Some((reason, column.field().key, what));
                }
            }
            let Some((reason, key, what)) = worst else {
                self.rows += 1;
                self.counts.kept += 1;
                continue;
            };
            for column in &mut self.columns {
                column.truncate(self.rows);
            }
            let record = waiting.record.clone();
            self.reject(chunk, record, waiting.line, reason, Some(key), what);
        }
        self.slots = slots;
        self.waiting = waiting;
        self.waiting.clear();
    }

    fn reject(
        &mut self,
        chunk: Chunk<'_>,
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
            text: text.get(..MAX_TEXT).unwrap_or(text).to_vec(),
        });
    }

    /// Begins the reject of a record that is not a JSON object.
    #[cold]
    fn reject_syntax(&mut self, chunk: Chunk<'_>, start: usize, error: SyntaxError) {
        let detail = match chunk.rest {
            _ if error.at < chunk.len => Cow::Owned(format!(
                "{} at byte {}",
                error.what,
                chunk.offset + error.at as u64
            )),
            InputState::Corrupt(why) => Cow::Owned(why.to_owned()),
            InputState::RecordTooLarge => Cow::Borrowed("record longer than 256 MiB"),
            InputState::Eof | InputState::More => Cow::Borrowed("the object ends in the record"),
        };
        let offset = chunk.offset + start as u64;
        let resync = Resync::new(self.schema.keys, self.is_array, offset);
        self.begin_reject(chunk, start, RejectReason::Syntax, detail, Some(resync));
    }

    /// Begins a reject that has no bytes yet.
    fn begin_reject(
        &mut self,
        chunk: Chunk<'_>,
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
            line: self.lines,
            bytes: 0,
            text: Vec::new(),
        };
        self.skipping = Some(PendingReject {
            reject,
            resync,
            blanks: 0,
        });
    }

    /// Rejects what should be after the last byte of the object.
    #[cold]
    fn reject_end(&mut self, chunk: Chunk<'_>, detail: &str) {
        self.append(chunk);
        let detail = Cow::Owned(detail.to_owned());
        self.begin_reject(chunk, chunk.len, RejectReason::Syntax, detail, None);
        self.rejects
            .extend(self.skipping.take().map(PendingReject::finish));
    }

    /// Passes over the rest of a reject, from byte `from` of the chunk on. Returns where decoding resumes.
    fn skip(&mut self, chunk: Chunk<'_>, from: usize) -> Result<usize, DecodeResult> {
        let Some(mut skipping) = self.skipping.take() else {
            return Ok(from);
        };
        let data = chunk.padded.get(..chunk.len).unwrap_or_default();
        let is_last = matches!(chunk.rest, InputState::Eof | InputState::Corrupt(_));
        let in_chunk = |offset: u64| (offset - chunk.offset) as usize;
        let mut resume = None;
        let mut end = chunk.len;
        if let Some(resync) = &mut skipping.resync {
            resume = resync.search(data, chunk.offset).map(in_chunk);
            if is_last {
                resume = resume.or(resync.finish().map(in_chunk));
            }
            if let Some(undecided) = resync.undecided().map(in_chunk)
                && !is_last
            {
                end = undecided;
                if end == from && chunk.rest == InputState::RecordTooLarge {
                    resync.give_up(chunk.offset + from as u64);
                    self.skipping = Some(skipping);
                    return self.skip(chunk, from);
                }
            }
        }
        let end = resume.unwrap_or(end);
        let passed = data.get(from..end).unwrap_or_default();
        self.lines += bytes::newlines(passed);
        if let Some(&last) = passed.last() {
            self.after_newline = last == b'\n';
        }
        skipping.pass(passed);
        if resume.is_none() && !is_last {
            self.skipping = Some(skipping);
            return Err(DecodeResult {
                consumed: end,
                stop: DecodeStatus::NeedInput,
            });
        }
        self.rejects.push(skipping.finish());
        resume.ok_or(DecodeResult {
            consumed: end,
            stop: DecodeStatus::SegmentEnd,
        })
    }
}

impl PendingReject {
    /// Adds bytes to the reject.
    fn pass(&mut self, bytes: &[u8]) {
        let reject = &mut self.reject;
        let room = MAX_TEXT - reject.text.len().min(MAX_TEXT);
        reject
            .text
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        reject.bytes += bytes.len() as u64;
        let from_end = bytes.iter().rev();
        let blanks = from_end.take_while(|&&b| bytes::is_white_space(b)).count();
        if blanks < bytes.len() {
            self.blanks = 0;
        }
        self.blanks += blanks as u64;
    }

    /// Returns the reject without the white space at its end.
    fn finish(mut self) -> Reject {
        self.reject.bytes -= self.blanks;
        let length = usize::try_from(self.reject.bytes).unwrap_or(usize::MAX);
        self.reject.text.truncate(length);
        self.reject
    }
}

/// Whether the chunk ends in the middle of what can be a byte order mark at `at`.
fn is_mark_begun(chunk: Chunk<'_>, at: usize) -> bool {
    let rest = chunk.padded.get(at..chunk.len).unwrap_or_default();
    !rest.is_empty() && rest.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(rest)
}

/// Whether the filter keeps the record with these slots.
#[inline(always)]
fn is_kept(schema: &RecordSchema, bytes: &[u8], slots: &[ValueSpan]) -> bool {
    let Some(filter) = schema.filter else {
        return true;
    };
    // Its key comes behind those of the fields.
    let Some(slot) = slots.get(schema.fields.len()) else {
        return false;
    };
    let raw = bytes.get(slot.start..slot.end).unwrap_or_default();
    match slot.kind {
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
