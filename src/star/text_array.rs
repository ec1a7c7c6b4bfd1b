//! Builds text columns.

use arrow_array::StringArray;
use arrow_array::builder::StringBuilder;

use crate::error::{Error, Result};

/// Returns a text column. Arrow's offsets are 32 bits wide; this function checks the limit, Arrow does not.
pub(super) fn text_array<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Result<StringArray> {
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
