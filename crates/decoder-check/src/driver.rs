//! Drives the decoder over bytes in memory, in chunks of any size and segments that start anywhere, as the
//! reader of a split does.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use sparkify::internals::decode::padded_bytes::PADDING;
use sparkify::internals::decode::reject::Reject;
use sparkify::internals::decode::sniff::RecordLayout;
use sparkify::internals::decode::{DecodeStatus, Decoder, InputChunk, InputState, RecordCounts};
use sparkify::internals::model::{FieldType, RecordField, RecordSchema};

/// Keeps every record that is JSON and UTF-8, so that rejects depend only on syntax and encoding.
pub static KEEP_ALL_SCHEMA: RecordSchema = RecordSchema {
    name: "any",
    description: "Any record.",
    fields: &[RecordField {
        key: "no record has this key",
        ty: FieldType::Double,
        required: false,
    }],
    filter: None,
    unused_keys: &["page", "ts", "a", "song_id"],
};

/// How the bytes are fed to the decoder.
#[derive(Debug, Clone, Copy)]
pub struct FeedOptions {
    /// The initial size of the buffer, which doubles for a record that does not fit.
    pub chunk_bytes: usize,
    /// The maximum number of rows in a batch.
    pub max_batch_rows: usize,
    /// Whether the end is known only after a read of zero bytes, as for compressed objects.
    pub late_eof: bool,
    /// The bytes of a segment.
    pub segment_bytes: u64,
}

/// Feeds all bytes at once.
pub const SINGLE_CHUNK: FeedOptions = FeedOptions {
    chunk_bytes: usize::MAX / 4,
    max_batch_rows: usize::MAX,
    late_eof: false,
    segment_bytes: u64::MAX,
};

/// The output of a decoder.
#[derive(Debug)]
pub struct DecodedInput {
    pub counts: RecordCounts,
    /// The rejects, with line numbers from the start of the object (the first is 0).
    pub rejects: Vec<Reject>,
    /// The unknown keys, with line numbers from the start of the object (the first is 0).
    pub unknown_keys: Vec<(String, u64)>,
    pub has_more_unknown_keys: bool,
    /// The cells of each row.
    pub rows: Vec<Vec<DecodedValue>>,
    /// The offsets at which the decoder stopped because its batch was full; each is before a record.
    pub batch_boundaries: Vec<usize>,
    pub layout: Option<RecordLayout>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum DecodedValue {
    Null,
    Integer(i64),
    /// The bits of a double, so that -0.0 differs from 0.0.
    Double(u64),
    Text(String),
}

/// Decodes `bytes`, and checks what holds for every input: the decoder makes progress and accounts for every
/// byte.
pub fn decode(bytes: &[u8], schema: &'static RecordSchema, feed: FeedOptions) -> DecodedInput {
    let mut decoder = Decoder::new(schema, feed.max_batch_rows);
    let mut decoded = DecodedInput {
        counts: RecordCounts::default(),
        rejects: Vec::new(),
        unknown_keys: Vec::new(),
        has_more_unknown_keys: false,
        rows: Vec::new(),
        batch_boundaries: Vec::new(),
        layout: None,
    };
    let (mut start, mut end, mut capacity) = (0, 0, feed.chunk_bytes);
    let (mut line, mut needs_input) = (0, true);
    let mut segment_end = feed.segment_bytes;
    let mut padded = Vec::new();
    let mut has_more = true;
    loop {
        if needs_input {
            assert!(has_more, "NeedInput at end of input");
            if end - start == capacity {
                capacity *= 2;
            }
            let read = (capacity - (end - start)).min(bytes.len() - end);
            end += read;
            has_more = end < bytes.len() || (feed.late_eof && read > 0);
        }
        padded.clear();
        padded.extend_from_slice(&bytes[start..end]);
        padded.resize(end - start + PADDING, 0);
        let chunk = InputChunk {
            padded: &padded,
            len: end - start,
            offset: start as u64,
            input_state: if has_more {
                InputState::More
            } else {
                InputState::Eof
            },
        };
        let result = decoder.decode(chunk, segment_end);
        start += result.consumed;
        assert!(start <= end, "consumed more than the chunk");
        let found = decoder.take_unknown_keys().into_iter();
        decoded
            .unknown_keys
            .extend(found.map(|unknown| (unknown.key, line + unknown.line)));
        needs_input = result.status == DecodeStatus::NeedInput;
        match result.status {
            DecodeStatus::NeedInput => {}
            DecodeStatus::BatchFull => {
                decoded.batch_boundaries.push(start);
                assert!(decoder.rows() > 0, "BatchFull without rows");
                decoded.rows.extend(batch_rows(&decoder.finish().unwrap()));
            }
            DecodeStatus::SegmentEnd => {
                let found = decoder.take_rejects().into_iter().map(|mut reject| {
                    reject.line += line;
                    reject
                });
                decoded.rejects.extend(found);
                line += decoder.newlines();
                if start == bytes.len() && !has_more {
                    break;
                }
                assert!(
                    start as u64 >= segment_end,
                    "SegmentEnd before the end of the segment"
                );
                assert!(bytes[..start].ends_with(b"\n") && bytes[start] == b'{');
                decoder.begin_segment(decoder.layout());
                segment_end = (start as u64).saturating_add(feed.segment_bytes);
            }
        }
    }
    decoded.rows.extend(batch_rows(&decoder.finish().unwrap()));
    decoded.counts = decoder.take_counts();
    decoded.layout = decoder.layout();
    decoded.has_more_unknown_keys = decoder.has_more_unknown_keys();
    let counts = decoded.counts;
    assert_eq!(
        counts.records,
        counts.kept + counts.filtered + counts.rejected
    );
    assert_eq!(counts.rejected, decoded.rejects.len() as u64);
    assert_eq!(counts.kept, decoded.rows.len() as u64);
    assert_eq!(line, count_newlines(bytes), "number of lines");
    for reject in &decoded.rejects {
        let start = reject.offset as usize;
        assert!(bytes[start..].starts_with(&reject.text), "text of a reject");
        let end = start + reject.bytes as usize;
        assert!(
            end <= bytes.len() && reject.text.len() <= end - start,
            "length of a reject"
        );
        assert_eq!(
            reject.line,
            count_newlines(&bytes[..start]),
            "line of a reject"
        );
    }
    decoded
}

fn count_newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&b| b == b'\n').count() as u64
}

/// Asserts that both outputs are equal except for their batch boundaries.
pub fn assert_same_output(actual: &DecodedInput, expected: &DecodedInput, feed: FeedOptions) {
    assert_eq!(actual.counts, expected.counts, "{feed:?}");
    assert_eq!(actual.rejects, expected.rejects, "{feed:?}");
    assert_eq!(actual.unknown_keys, expected.unknown_keys, "{feed:?}");
    assert_eq!(
        actual.has_more_unknown_keys, expected.has_more_unknown_keys,
        "{feed:?}"
    );
    assert_eq!(actual.rows, expected.rows, "{feed:?}");
}

/// Returns the ranges of the records that [`KEEP_ALL_SCHEMA`] accepts as `Ok`, and the rejects as `Err`. The
/// ranges follow from the decoder's own steps: with batches of one row, the decoder stops before the record
/// after each row.
pub fn decode_record_ranges(bytes: &[u8]) -> Vec<Result<Range<usize>, Range<usize>>> {
    let single_row_batches = FeedOptions {
        max_batch_rows: 1,
        ..SINGLE_CHUNK
    };
    let decoded = decode(bytes, &KEEP_ALL_SCHEMA, single_row_batches);
    let mut boundaries = decoded.batch_boundaries.iter().copied();
    let mut rejects = decoded.rejects.iter().peekable();
    let is_array = decoded.layout == Some(RecordLayout::Array);
    let skip_separators = |mut at: usize| loop {
        match bytes.get(at) {
            Some(b' ' | b'\t' | b'\n' | b'\r') => at += 1,
            Some(b',' | b'[' | b']') if is_array => at += 1,
            Some(0xEF) if bytes[at..].starts_with(b"\xEF\xBB\xBF") => at += 3,
            _ => return at,
        }
    };
    // Separators between two records belong to neither of them.
    let record_end =
        |start: usize, next: usize| (start..=next).find(|end| skip_separators(*end) == next);

    let mut found = Vec::new();
    let mut at = skip_separators(0);
    while at < bytes.len() {
        // The reject of an object in another format begins at its first byte, even if that looks like a separator.
        if let Some(reject) = rejects.next_if(|reject| reject.offset <= at as u64) {
            assert!(!reject.is_truncated(), "a truncated text cannot be located");
            let start = reject.offset as usize;
            let end = start + reject.text.len();
            found.push(Err(start..end));
            at = skip_separators(end);
        } else {
            let next = boundaries.next().unwrap_or(bytes.len());
            let next = rejects.peek().map_or(next, |r| next.min(r.offset as usize));
            found.push(Ok(at..record_end(at, next).unwrap()));
            at = skip_separators(next);
        }
    }
    // A missing end (of an array or a stream) is a reject at the end of the input.
    let missing = rejects.map(|reject| Err(at..at + reject.text.len()));
    found.extend(missing);
    assert!(boundaries.next().is_none());
    found
}

fn batch_rows(batch: &RecordBatch) -> Vec<Vec<DecodedValue>> {
    (0..batch.num_rows())
        .map(|row| batch.columns().iter().map(|c| cell_at(c, row)).collect())
        .collect()
}

fn cell_at(column: &ArrayRef, row: usize) -> DecodedValue {
    if column.is_null(row) {
        return DecodedValue::Null;
    }
    match column.data_type() {
        DataType::Int32 => {
            DecodedValue::Integer(column.as_primitive::<Int32Type>().value(row).into())
        }
        DataType::Int64 => DecodedValue::Integer(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => {
            DecodedValue::Double(column.as_primitive::<Float64Type>().value(row).to_bits())
        }
        DataType::Utf8 => DecodedValue::Text(column.as_string::<i32>().value(row).to_owned()),
        _ => {
            let column = column.as_dictionary::<Int32Type>();
            let key = column.keys().value(row) as usize;
            DecodedValue::Text(column.values().as_string::<i32>().value(key).to_owned())
        }
    }
}
