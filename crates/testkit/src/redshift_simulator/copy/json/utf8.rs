//! The text of an object, in which invalid UTF-8 is found and replaced.

use std::ops::Range;

/// The text of an object.
pub struct JsonText {
    /// The text, in which each invalid byte is replaced by a question mark, so that positions do not change.
    pub text: String,
    /// The positions of the replaced bytes, unless they are accepted.
    pub invalid: Vec<Range<usize>>,
}

impl JsonText {
    /// Checks the bytes. `accepts_invalid` is whether COPY accepts invalid characters.
    pub fn new(bytes: Vec<u8>, accepts_invalid: bool) -> Self {
        let mut invalid = Vec::new();
        let text = String::from_utf8(bytes).unwrap_or_else(|error| {
            let mut text = String::new();
            for chunk in error.as_bytes().utf8_chunks() {
                text.push_str(chunk.valid());
                let start = text.len();
                text.extend(chunk.invalid().iter().map(|_| '?'));
                if start < text.len() {
                    invalid.push(start..text.len());
                }
            }
            text
        });
        if accepts_invalid {
            invalid.clear();
        }
        Self { text, invalid }
    }
}
