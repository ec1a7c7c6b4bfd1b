//! Feeds any bytes to the decoder. It must not panic, must produce the same output for any chunk, batch and
//! segment size, and must match the records, rows and reasons of the reference in `tests/engine`, which uses
//! the grammar of `serde_json`. See `fuzz/README.md`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sparkify::star::schema::{EVENT_RECORD, SONG_RECORD};

#[path = "../../tests/engine/decoder_reference.rs"]
mod decoder_reference;
#[path = "../../tests/engine/decoder_driver.rs"]
mod decoder_driver;
#[allow(dead_code)]
#[path = "../../tests/engine/reference/rows.rs"]
mod rows;
#[path = "../../tests/engine/reference/framing.rs"]
mod framing;
#[allow(dead_code)]
#[path = "../../tests/engine/reference/value.rs"]
mod value;

/// The parts of the reference that do not read files, with the module names of the tests.
mod reference {
    pub(crate) use crate::framing::{ScanItem, scan_records};
    pub(crate) use crate::{rows, value};
}

fuzz_target!(|data: &[u8]| {
    // The last three bytes select the options, so that a corpus of plain JSON is useful.
    let (bytes, option_bytes) = match data.split_last_chunk::<3>() {
        Some((bytes, option_bytes)) => (bytes, *option_bytes),
        None => (data, [0; 3]),
    };
    let [chunk, rows, segment] = option_bytes.map(usize::from);
    let feed = decoder_driver::FeedOptions {
        chunk_bytes: 1 + chunk,
        max_batch_rows: 1 + rows / 2,
        late_eof: rows % 2 == 1,
        segment_bytes: match segment {
            // Whitespace and line ends, at the end of plain JSON, select a single segment.
            0..=32 => u64::MAX,
            _ => segment as u64 - 32,
        },
    };
    assert_eq!(decoder_driver::decode_record_ranges(bytes), decoder_reference::expected_records(bytes));
    decoder_reference::assert_values_match_reference(bytes);
    for schema in [&decoder_driver::KEEP_ALL_SCHEMA, &EVENT_RECORD, &SONG_RECORD] {
        let whole = decoder_driver::decode(bytes, schema, decoder_driver::SINGLE_CHUNK);
        decoder_driver::assert_same_output(&decoder_driver::decode(bytes, schema, feed), &whole, feed);
    }
});
