//! Feeds any bytes to the decoder. It must not panic, must produce the same output for any chunk, batch and
//! segment size, and must match the records, rows and reasons of the reference in `crates/testkit`, which uses
//! the grammar of `serde_json`. See `fuzz/README.md`.

#![no_main]

use decoder_check::{comparison, driver};
use libfuzzer_sys::fuzz_target;
use sparkify::internals::model::sparkify::{EVENT_RECORD, SONG_RECORD};

fuzz_target!(|data: &[u8]| {
    // The last three bytes select the options, so that a corpus of plain JSON is useful.
    let (bytes, option_bytes) = match data.split_last_chunk::<3>() {
        Some((bytes, option_bytes)) => (bytes, *option_bytes),
        None => (data, [0; 3]),
    };
    let [chunk, rows, segment] = option_bytes.map(usize::from);
    let feed = driver::FeedOptions {
        chunk_bytes: 1 + chunk,
        max_batch_rows: 1 + rows / 2,
        late_eof: rows % 2 == 1,
        segment_bytes: match segment {
            // Whitespace and line ends, at the end of plain JSON, select a single segment.
            0..=32 => u64::MAX,
            _ => segment as u64 - 32,
        },
    };
    assert_eq!(driver::decode_record_ranges(bytes), comparison::expected_records(bytes));
    comparison::assert_values_match_reference(bytes);
    for schema in [&driver::KEEP_ALL_SCHEMA, &EVENT_RECORD, &SONG_RECORD] {
        let whole = driver::decode(bytes, schema, driver::SINGLE_CHUNK);
        driver::assert_same_output(&driver::decode(bytes, schema, feed), &whole, feed);
    }
});
