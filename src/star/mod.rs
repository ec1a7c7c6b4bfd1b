//! The star: from decoded record batches to the rows of its five tables and of the ledger.
//!
//! Stands between decoding and Parquet. No I/O and no threads: each function takes what it needs and
//! gives rows or a state that merges, and every choice between records follows from what they hold.

use arrow_array::StringArray;
use arrow_array::builder::StringBuilder;

use crate::error::{Error, Result};

pub mod deliveries;
mod fnv;
pub mod lookup;
pub mod records;
pub mod schema;
pub mod songplays;
pub mod songs;
pub mod source_objects;
pub mod time;
pub mod users;

/// A column of text. Arrow's offsets are 32 bits wide, which is checked here and not there.
fn text_array<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Result<StringArray> {
    let mut builder = StringBuilder::new();
    for value in values {
        let bytes = builder.values_slice().len() + value.map_or(0, str::len);
        if bytes > i32::MAX as usize {
            return Err(Error::failed("cannot build a table")
                .with_reason("a column of it holds more than 2 GiB of text"));
        }
        builder.append_option(value);
    }
    Ok(builder.finish())
}
