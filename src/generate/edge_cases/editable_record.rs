//! Parses a record into a list of fields, edits them, and writes the record again.

use super::case::RecordEdit;

/// A flat JSON object that can be edited.
pub(super) struct EditableRecord<'a> {
    /// Key without its quotes, and raw value. If the key is empty, the value is a complete member.
    fields: Vec<(&'a str, Vec<u8>)>,
    open: &'static str,
    colon: &'static str,
    comma: &'static str,
    close: &'static str,
}

impl<'a> EditableRecord<'a> {
    /// Returns the clean record `fresh` after the edits that change its fields or style. The edits may take fields from
    /// `previous`, or replace the record by it.
    pub(super) fn with_edits(fresh: &'a [u8], previous: &'a [u8], edits: &[RecordEdit]) -> Self {
        let mut record = Self::parse(fresh);
        for edit in edits {
            record.apply(edit, previous);
        }
        record
    }

    /// Parses a clean record: an ASCII object of scalars on one line. A case that reuses the previous record has no
    /// fresh one, and begins with an empty text.
    #[expect(
        clippy::expect_used,
        reason = "an edge case without its fields would test nothing"
    )]
    fn parse(text: &'a [u8]) -> Self {
        let text = str::from_utf8(text).expect("a clean record is ASCII");
        let has_spaces = text.contains("\": ");
        let (colon, comma) = if has_spaces { (": ", ", ") } else { (":", ",") };
        let mut fields = Vec::new();
        let mut rest = match text {
            "" => "",
            text => text
                .strip_prefix('{')
                .and_then(|text| text.strip_suffix('}'))
                .expect("a clean record is an object"),
        };
        while let Some((key, value)) = rest.split_once(colon) {
            let length = scalar_len(value);
            let (value, after) = value.split_at_checked(length).unwrap_or((value, ""));
            fields.push((key.trim_matches('"'), value.as_bytes().to_vec()));
            rest = after.strip_prefix(comma).unwrap_or_default();
        }
        Self {
            fields,
            open: "{",
            colon,
            comma,
            close: "}",
        }
    }

    fn apply(&mut self, edit: &RecordEdit, previous: &'a [u8]) {
        match *edit {
            RecordEdit::ReusePrevious => *self = Self::parse(previous),
            RecordEdit::CopyFields(keys) => {
                for (key, value) in Self::parse(previous).fields {
                    if keys.contains(&key) {
                        self.set(key, value);
                    }
                }
            }
            RecordEdit::Set(key, value) => self.set(key, value.to_vec()),
            RecordEdit::FillText(key, unit, count) => {
                self.set(key, format!("\"{}\"", unit.repeat(count)).into_bytes())
            }
            RecordEdit::RemoveField(key) => self.fields.retain(|(name, _)| *name != key),
            RecordEdit::RenameKey(key, name) => {
                self.fields
                    .iter_mut()
                    .filter(|field| field.0 == key)
                    .for_each(|field| field.0 = name);
            }
            RecordEdit::Quote(key) => self.map_value(key, |value| [b"\"", value, b"\""].concat()),
            RecordEdit::Unquote(key) => self.map_value(key, |value| strip_quotes(value).to_vec()),
            RecordEdit::LengthenNumber(key, suffix) => {
                self.map_value(key, |value| match value.strip_suffix(b"\"") {
                    None => [value, suffix.as_bytes()].concat(),
                    Some(open) => [open, suffix.as_bytes(), b"\""].concat(),
                })
            }
            RecordEdit::EscapeText(key) => self.map_value(key, escape_text),
            RecordEdit::PrependMember(member) => self.fields.insert(0, ("", member.to_vec())),
            RecordEdit::AppendMember(member) => self.fields.push(("", member.to_vec())),
            RecordEdit::NestTo(depth) => {
                let arrays = depth - 1; // the record is the first level
                self.set(
                    "nested",
                    ["[".repeat(arrays), "]".repeat(arrays)]
                        .concat()
                        .into_bytes(),
                );
            }
            RecordEdit::ReverseFields => self.fields.reverse(),
            RecordEdit::PrettyPrint => {
                (self.open, self.colon, self.comma, self.close) =
                    ("{\n    ", ": ", ",\n    ", "\n}")
            }
            RecordEdit::BytesBefore(_) | RecordEdit::BytesAfter(_) | RecordEdit::CleanAfter(_) => {}
            RecordEdit::Truncate(_)
            | RecordEdit::DropLast(_)
            | RecordEdit::DropFirst
            | RecordEdit::Replace(_) => {}
        }
    }

    fn set(&mut self, key: &'a str, value: Vec<u8>) {
        match self.fields.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => *old = value,
            None => self.fields.push((key, value)),
        }
    }

    fn map_value(&mut self, key: &str, change: impl Fn(&[u8]) -> Vec<u8>) {
        for (_, value) in self.fields.iter_mut().filter(|(name, _)| *name == key) {
            *value = change(value);
        }
    }

    /// Appends the record after the edits that change its bytes, and then `end`, which an edit can replace.
    pub(super) fn write(&self, out: &mut Vec<u8>, edits: &[RecordEdit], end: &[u8]) {
        let mut text = self.to_bytes();
        let (mut start, mut end) = (&b""[..], end);
        for edit in edits {
            match *edit {
                RecordEdit::Truncate(bytes) => text.truncate(bytes),
                RecordEdit::DropLast(bytes) => text.truncate(text.len().saturating_sub(bytes)),
                RecordEdit::DropFirst => drop(text.drain(..text.len().min(1))),
                RecordEdit::Replace(other) => text = other.to_vec(),
                RecordEdit::BytesBefore(bytes) => start = bytes,
                RecordEdit::BytesAfter(bytes) => end = bytes,
                _ => {}
            }
        }
        [start, &text, end]
            .iter()
            .for_each(|bytes| out.extend_from_slice(bytes));
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut text = self.open.as_bytes().to_vec();
        for (nth, (key, value)) in self.fields.iter().enumerate() {
            if nth > 0 {
                text.extend_from_slice(self.comma.as_bytes());
            }
            if !key.is_empty() {
                text.extend_from_slice(format!("\"{key}\"{}", self.colon).as_bytes());
            }
            text.extend_from_slice(value);
        }
        text.extend_from_slice(self.close.as_bytes());
        text
    }
}

/// Returns the length in bytes of the scalar at the start of `text`.
fn scalar_len(text: &str) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (nth, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return nth,
            _ => {}
        }
    }
    text.len()
}

/// Returns a text without its quotes.
fn strip_quotes(value: &[u8]) -> &[u8] {
    value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""))
        .unwrap_or(value)
}

/// Returns a text in which every character that is not part of an escape is escaped.
fn escape_text(value: &[u8]) -> Vec<u8> {
    let mut text = b"\"".to_vec();
    let mut bytes = strip_quotes(value).iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                text.push(b'\\');
                // The letter of the escape, and the four digits after `u`.
                let letter = bytes.next();
                let digits = if letter == Some(&b'u') { 4 } else { 0 };
                text.extend(letter.into_iter().chain(bytes.by_ref().take(digits)));
            }
            _ => text.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
    }
    text.push(b'"');
    text
}
