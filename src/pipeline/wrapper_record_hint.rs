//! Detects wrapper records: some exporters put all records in one large record, as in
//! `{"Records": [{...}, {...}]}`. The first record of an input from which no record was kept is examined for this.

use super::input_source::InputSource;
use crate::decode::InputChunk;
use crate::error::Result;
use crate::input::{ChunkReader, DEFAULT_CHUNK_BYTES, ReadRange};
use crate::model::RecordSchema;

impl InputSource {
    /// Reads the beginning of the first object that is not empty, and passes it to `inspect`. Returns `None` if
    /// there is no such object.
    ///
    /// # Errors
    /// Returns an error if the object cannot be read.
    pub(super) fn peek_first_object<T>(
        &self,
        inspect: impl FnOnce(InputChunk<'_>) -> T,
    ) -> Result<Option<T>> {
        let Some(split) = self.plan.splits.first() else {
            return Ok(None);
        };
        let object = self.object(split.first_segment());
        let mut reader = ChunkReader::new(DEFAULT_CHUNK_BYTES);
        let range = ReadRange {
            start: 0,
            expected_end: DEFAULT_CHUNK_BYTES as u64,
        };
        let object_range = object.range(range.start, range.expected_end);
        let ranges = std::iter::once((object.location_index, object_range));
        let mut input = self.range_reader(ranges);
        reader.open(input.as_mut(), object, self.display(object), range)?;
        Ok(Some(inspect(reader.chunk())))
    }

    /// Returns a hint how to unwrap the records, if the first record seems to be a wrapper.
    pub(super) fn wrapper_hint(&self) -> Option<String> {
        let schema = self.schema();
        let key = self.peek_first_object(|chunk| wrapper_key(chunk.data(), schema));
        // This only adds a hint to another error, so its own error is ignored.
        let key = key.ok().flatten().flatten()?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let path = match key.starts_with(|c: char| !c.is_ascii_digit()) && key.chars().all(is_plain)
        {
            true => format!(".{key}[]"),
            false => format!(".[{}][]", serde_json::Value::from(key.as_str())),
        };
        Some(format!(
            "each record seems to contain others in the array `{key}`: unwrap it, for example with jq -c '{path}'"
        ))
    }
}

/// Returns the key of an array of objects in the first record, if the record has no key of the schema. The record
/// may be truncated anywhere.
fn wrapper_key(bytes: &[u8], schema: &RecordSchema) -> Option<String> {
    let is_known = |key: &str| {
        let filter = schema.filter.iter().map(|filter| filter.key);
        let mut keys = schema.fields.iter().map(|field| field.key).chain(filter);
        keys.any(|schema_key| schema_key == key)
    };
    let (mut array_key, mut depth) = (None, 0_usize);
    let mut rest = bytes.get(memchr::memchr(b'{', bytes)?..)?;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            b'"' => {
                let Some(end) = string_end(after) else {
                    break;
                };
                let (text, after) = after.split_at(end);
                rest = after.get(1..).unwrap_or_default();
                let Some(value) = rest.trim_ascii_start().strip_prefix(b":") else {
                    continue;
                };
                if depth > 1 {
                    continue;
                }
                let key = String::from_utf8_lossy(text);
                if is_known(&key) {
                    return None;
                }
                let array = value.trim_ascii_start().strip_prefix(b"[");
                if array_key.is_none()
                    && array.is_some_and(|a| a.trim_ascii_start().starts_with(b"{"))
                {
                    array_key = Some(key.into_owned());
                }
            }
            _ => {}
        }
    }
    array_key
}

/// Returns the index of the closing quote of a string. `bytes` begin after its opening quote.
fn string_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes.get(at)? {
            b'"' => return Some(at),
            _ => at += 2,
        }
    }
}
