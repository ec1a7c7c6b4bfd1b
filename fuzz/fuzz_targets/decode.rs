//! Any bytes through the decoder: no panic, the same in any chunks, batches and segments, and
//! exactly the records, rows and reasons of the reference in `tests/engine`, whose grammar is
//! `serde_json`'s. See `fuzz/README.md`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sparkify::star::schema::{EVENT_RECORD, SONG_RECORD};

#[path = "../../tests/engine/compare.rs"]
mod compare;
#[path = "../../tests/engine/drive.rs"]
mod drive;
#[allow(dead_code)]
#[path = "../../tests/engine/reference/rows.rs"]
mod rows;
#[path = "../../tests/engine/reference/split.rs"]
mod split;
#[allow(dead_code)]
#[path = "../../tests/engine/reference/value.rs"]
mod value;

/// As much of the reference as has nothing to do with files, under the names it has in the tests.
mod reference {
    pub(crate) use crate::split::{Found, records};
    pub(crate) use crate::{rows, value};
}

fuzz_target!(|data: &[u8]| {
    // The manner of reading stands behind the text, so that a corpus of plain JSON is a good one.
    let (bytes, last) = match data.split_last_chunk::<3>() {
        Some((bytes, last)) => (bytes, *last),
        None => (data, [0; 3]),
    };
    let [chunk, rows, segment] = last.map(usize::from);
    let manner = drive::Manner {
        chunk_bytes: 1 + chunk,
        max_rows: 1 + rows / 2,
        late_end: rows % 2 == 1,
        segment_bytes: match segment {
            // White space and line ends, as of plain JSON, cut nothing.
            0..=32 => u64::MAX,
            _ => segment as u64 - 32,
        },
    };
    assert_eq!(drive::records(bytes), compare::wanted(bytes));
    compare::compare_values(bytes);
    for schema in [&drive::EVERYTHING, &EVENT_RECORD, &SONG_RECORD] {
        let whole = drive::decode(bytes, schema, drive::WHOLE);
        drive::assert_same(&drive::decode(bytes, schema, manner), &whole, manner);
    }
});
