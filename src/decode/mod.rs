//! Decoding: JSON bytes in, Arrow record batches and rejects out, by a [`RecordSchema`].
//!
//! Stands between reading and building the star. It does no I/O and knows no threads: a caller
//! hands it one [`Chunk`] of a segment after the other, in any sizes, and gets the same rows and the
//! same rejects. One [`Decoder`] serves one worker and is used again for segment after segment.
//!
//! Every byte of a record is checked: the grammar by [`record`], the encoding here, the values of
//! wanted keys by `column`. A record that passes becomes a row, a reject or (when the filter drops
//! it) a count.

mod chunk;
mod column;
mod guess;
mod interner;
pub mod record;
pub mod reject;
pub mod scan;
pub mod schema;
mod stops;
pub mod token;
pub mod value;

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};

pub use chunk::{Chunk, Counts, Progress, Rest, Stop};
use column::Column;
use record::{ABSENT, Kind, Scanner, Slot};
use reject::{MAX_TEXT, Reason, Reject};
use scan::byte;
use schema::RecordSchema;
use token::SyntaxError;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

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
struct Waiting {
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
    columns: Vec<Column>,
    /// The slots of the records that wait to become rows, [`BLOCK`] of them at most, and of the one
    /// that is being scanned; as many a record as there are keys.
    slots: Vec<Slot>,
    waiting: Vec<Waiting>,
    rows: usize,
    max_rows: usize,
    batch_bytes: usize,
    counts: Counts,
    rejects: Vec<Reject>,
    /// Newlines since the start of the segment.
    lines: u64,
    /// Whether the byte before is a newline.
    after_newline: bool,
    /// The reject that the bytes belong to until a line begins with `{`.
    skipping: Option<Reject>,
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
            columns: schema.fields.iter().map(Column::new).collect(),
            rows: 0,
            max_rows: max_rows.max(1),
            batch_bytes: 0,
            counts: Counts::default(),
            rejects: Vec::new(),
            lines: 0,
            after_newline: false,
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
        self.counts = Counts::default();
        self.rejects.clear();
        self.begin_segment();
    }

    /// Makes ready for the first chunk of another segment.
    pub fn begin_segment(&mut self) {
        self.lines = 0;
        self.after_newline = false;
        self.skipping = None;
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
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
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
            .map(Column::finish)
            .collect::<Result<_, _>>()?;
        (self.rows, self.batch_bytes) = (0, 0);
        RecordBatch::try_new(Arc::clone(&self.arrow), columns)
    }

    /// Decodes records from a chunk until it wants more, the batch is full, or the segment is done:
    /// at the end of the object, or where a line begins with `{` at or after `segment_end` (a byte
    /// offset in the object).
    pub fn decode(&mut self, chunk: Chunk<'_>, segment_end: u64) -> Progress {
        let progress = self.scan(chunk, segment_end);
        self.append(chunk);
        progress
    }

    fn scan(&mut self, chunk: Chunk<'_>, segment_end: u64) -> Progress {
        let bytes = chunk.padded;
        let done = |consumed, stop| Progress { consumed, stop };
        self.scanner.begin();
        let mut at = 0;
        if self.skipping.is_some() {
            at = match self.skip(chunk, 0) {
                Ok(next) => next,
                Err(progress) => return progress,
            };
        } else if chunk.offset == 0 {
            if bytes.starts_with(BYTE_ORDER_MARK) {
                at = BYTE_ORDER_MARK.len();
            } else if chunk.rest == Rest::More && chunk.len < BYTE_ORDER_MARK.len() {
                return done(0, Stop::Hungry);
            }
        }
        loop {
            at = self.space(bytes, at);
            if at >= chunk.len {
                return match chunk.rest {
                    Rest::More | Rest::TooMuch => done(chunk.len, Stop::Hungry),
                    Rest::End => done(chunk.len, Stop::Done),
                    Rest::Broken(why) => {
                        self.append(chunk);
                        let here = SyntaxError {
                            at: chunk.len,
                            what: "",
                        };
                        let reject = self.reject_syntax(chunk, chunk.len, here, Some(why));
                        self.rejects.push(reject);
                        done(chunk.len, Stop::Done)
                    }
                };
            }
            if self.after_newline
                && chunk.offset + at as u64 >= segment_end
                && byte(bytes, at) == b'{'
            {
                return done(at, Stop::Done);
            }
            if self.waiting.len() == BLOCK || self.is_full() {
                self.append(chunk);
                if self.is_full() {
                    return done(at, Stop::Full);
                }
            }
            let width = self.scanner.width();
            let row = self.waiting.len() * width;
            let slots = self.slots.get_mut(row..row + width).unwrap_or_default();
            match self.scanner.record(bytes, at, slots) {
                Ok(scanned) => {
                    let record = bytes.get(at..scanned.end).unwrap_or_default();
                    self.after_newline = false;
                    if !scanned.ascii && simdutf8::basic::from_utf8(record).is_err() {
                        self.append(chunk);
                        let line = self.lines;
                        let record = at..scanned.end;
                        self.reject(chunk, record, line, Reason::Encoding, None, "not UTF-8");
                    } else if is_kept(self.schema, bytes, slots) {
                        self.waiting.push(Waiting {
                            record: at..scanned.end,
                            line: self.lines,
                        });
                    } else {
                        self.counts.filtered += 1;
                    }
                    self.counts.records += 1;
                    if scanned.spaced {
                        self.lines += scan::newlines(record);
                    }
                    at = scanned.end;
                }
                Err(error) if error.at >= chunk.len && chunk.rest == Rest::More => {
                    return done(at, Stop::Hungry);
                }
                Err(error) => {
                    self.append(chunk);
                    let why = match chunk.rest {
                        Rest::Broken(why) if error.at >= chunk.len => Some(why),
                        _ => None,
                    };
                    self.skipping = Some(self.reject_syntax(chunk, at, error, why));
                    // What was read before the bad byte belongs to the reject without a look.
                    let bad = error.at.min(chunk.len);
                    self.lines += scan::newlines(bytes.get(at..bad).unwrap_or_default());
                    self.after_newline = bad > 0 && byte(bytes, bad - 1) == b'\n';
                    at = match self.skip(chunk, bad) {
                        Ok(next) => next,
                        Err(progress) => return progress,
                    };
                }
            }
        }
    }

    /// Whether the batch would hold no more records than those that wait.
    fn is_full(&self) -> bool {
        self.rows + self.waiting.len() >= self.max_rows || self.batch_bytes > MAX_BATCH_BYTES
    }

    /// Skips white space between records.
    #[inline(always)]
    fn space(&mut self, bytes: &[u8], mut at: usize) -> usize {
        loop {
            match byte(bytes, at) {
                b'\n' => {
                    self.lines += 1;
                    self.after_newline = true;
                }
                b' ' | b'\t' | b'\r' => self.after_newline = false,
                _ => return at,
            }
            at += 1;
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
        reason: Reason,
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
            text: text.get(..MAX_TEXT).unwrap_or(text).to_vec(),
            cut: text.len() > MAX_TEXT,
        });
    }

    /// Begins the reject of a record that is no JSON object, with its text up to the bad byte.
    #[cold]
    fn reject_syntax(
        &mut self,
        chunk: Chunk<'_>,
        start: usize,
        error: SyntaxError,
        broken: Option<&str>,
    ) -> Reject {
        self.counts.records += 1;
        self.counts.rejected += 1;
        let detail = match (broken, chunk.rest) {
            (Some(why), _) => Cow::Owned(why.to_owned()),
            (None, Rest::TooMuch) if error.at >= chunk.len => {
                Cow::Borrowed("record longer than 256 MiB")
            }
            (None, _) if error.at >= chunk.len => Cow::Borrowed("the object ends in the record"),
            (None, _) => Cow::Owned(format!(
                "{} at byte {}",
                error.what,
                chunk.offset + error.at as u64
            )),
        };
        let text = chunk
            .padded
            .get(start..error.at.min(chunk.len))
            .unwrap_or_default();
        Reject {
            reason: Reason::Syntax,
            key: None,
            detail,
            offset: chunk.offset + start as u64,
            line: self.lines,
            text: text.get(..MAX_TEXT).unwrap_or(text).to_vec(),
            cut: text.len() > MAX_TEXT,
        }
    }

    /// Passes over the rest of a syntax reject: up to the next line that begins with `{`, or the
    /// end. Gives where decoding resumes.
    fn skip(&mut self, chunk: Chunk<'_>, from: usize) -> Result<usize, Progress> {
        let data = chunk.padded.get(..chunk.len).unwrap_or_default();
        let resume = if self.after_newline && byte(data, from) == b'{' {
            Some(from)
        } else {
            scan::line_start(data, from + 1..data.len())
        };
        let end = resume.unwrap_or(data.len());
        let passed = data.get(from..end).unwrap_or_default();
        self.lines += scan::newlines(passed);
        if let Some(&last) = passed.last() {
            self.after_newline = last == b'\n';
        }
        if let Some(reject) = &mut self.skipping {
            let room = MAX_TEXT - reject.text.len().min(MAX_TEXT);
            reject
                .text
                .extend_from_slice(passed.get(..room).unwrap_or(passed));
            // White space at the cut is not worth a mark: it is trimmed below either way.
            reject.cut |= passed
                .get(room..)
                .is_some_and(|rest| !rest.trim_ascii().is_empty());
        }
        let more = matches!(chunk.rest, Rest::More | Rest::TooMuch);
        if resume.is_none() && more {
            return Err(Progress {
                consumed: end,
                stop: Stop::Hungry,
            });
        }
        if let Some(mut reject) = self.skipping.take() {
            while !reject.cut
                && let [.., b' ' | b'\n' | b'\r' | b'\t'] = reject.text.as_slice()
            {
                reject.text.pop();
            }
            self.rejects.push(reject);
        }
        match resume {
            Some(at) => Ok(at),
            None => Err(Progress {
                consumed: end,
                stop: Stop::Done,
            }),
        }
    }
}

/// Whether the filter keeps the record with these slots.
#[inline(always)]
fn is_kept(schema: &RecordSchema, bytes: &[u8], slots: &[Slot]) -> bool {
    let Some(filter) = schema.filter else {
        return true;
    };
    // Its key comes behind those of the fields.
    let Some(slot) = slots.get(schema.fields.len()) else {
        return false;
    };
    let raw = bytes.get(slot.start..slot.end).unwrap_or_default();
    match slot.kind {
        Kind::Plain => raw == filter.value.as_bytes(),
        Kind::Escaped => {
            let mut text = Vec::new();
            value::unescape(raw, &mut text).is_ok() && text == filter.value.as_bytes()
        }
        Kind::Absent | Kind::Null | Kind::Bool | Kind::Number | Kind::Nested => false,
    }
}
