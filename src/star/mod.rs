//! Builds the rows of the star schema's five tables and of the merge state from decoded record batches.
//!
//! This module runs after decoding and before Parquet encoding. It does no I/O and starts no threads:
//! each function returns rows or a state that can be merged. Every choice between records depends only on
//! their contents.

use arrow_array::StringArray;
use arrow_array::builder::StringBuilder;

use crate::error::{Error, Result};

pub mod delivery_order;
mod fnv;
pub mod schema;
pub mod song_lookup;
pub mod songplays;
pub mod songs_and_artists;
pub mod source_objects;
pub mod time_dimension;
pub mod typed_batches;
pub mod users;

/// Returns a text column. Arrow's offsets are 32 bits wide; this function checks the limit, Arrow does not.
fn text_array<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Result<StringArray> {
    let mut builder = StringBuilder::new();
    for value in values {
        let bytes = builder.values_slice().len() + value.map_or(0, str::len);
        if bytes > i32::MAX as usize {
            return Err(Error::failed("cannot build a table")
                .with_reason("a column has more than 2 GiB of text"));
        }
        builder.append_option(value);
    }
    Ok(builder.finish())
}
