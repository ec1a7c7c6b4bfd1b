//! Detects the layout of an object from its first bytes: a sequence of records, one array of records, or
//! another format than JSON.

use super::padded_bytes::is_json_whitespace;

/// The UTF-8 byte order mark.
pub(crate) const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// The number of bytes after which [`detect_layout`] always returns a layout.
pub(crate) const MAX_SNIFF_BYTES: usize = 4096;

/// How the records of an object are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RecordLayout {
    /// A sequence of records, with or without whitespace between them.
    #[default]
    Sequence,
    /// One JSON array of records. Its first character is `[`.
    Array,
    /// Records from the inside of an array, with or without commas and brackets between and around them. No object has
    /// this layout, only the text that a person corrected: the reject of an element may end with what follows it.
    Elements,
    /// Another format, described for messages. The object contains no records.
    NotJson(&'static str),
}

/// Detects the layout of an object from its first bytes. Returns `None` if more bytes are needed, which
/// never happens if `head` is the complete object or has at least [`MAX_SNIFF_BYTES`].
pub(crate) fn detect_layout(head: &[u8], is_complete: bool) -> Option<RecordLayout> {
    let is_sufficient = is_complete || head.len() >= MAX_SNIFF_BYTES;
    // The longest signature has 10 bytes.
    if !is_sufficient && head.len() < 10 {
        // Nearly every object begins with a brace and a quote or whitespace; no signature does.
        return matches!(head, [b'{', b'"' | b' ' | b'\n' | b'\r' | b'\t', ..])
            .then_some(RecordLayout::Sequence);
    }
    if let Some(format) = binary_format(head) {
        return Some(RecordLayout::NotJson(format));
    }
    let mut text = head.get(..MAX_SNIFF_BYTES).unwrap_or(head);
    loop {
        let blanks = text.iter().take_while(|&&b| is_json_whitespace(b)).count();
        text = &text[blanks..];
        match text.strip_prefix(UTF8_BOM) {
            Some(rest) => text = rest,
            None => break,
        }
    }
    match text {
        [b'[', ..] => Some(RecordLayout::Array),
        [b'<', next, ..] if next.is_ascii_alphabetic() || matches!(next, b'!' | b'?') => {
            Some(RecordLayout::NotJson(markup_format(text)))
        }
        // Only whitespace, or the beginning of a byte order mark or a tag.
        [] | [b'<'] | [0xEF] | [0xEF, 0xBB] if !is_sufficient => None,
        _ => Some(RecordLayout::Sequence),
    }
}

/// Returns the binary format or encoding that the first bytes are a signature of.
fn binary_format(head: &[u8]) -> Option<&'static str> {
    const SIGNATURES: [(&[u8], &str); 12] = [
        // UTF-32 precedes UTF-16, because one UTF-32 mark begins with a UTF-16 mark.
        (b"\xFF\xFE\0\0", UTF_32),
        (b"\0\0\xFE\xFF", UTF_32),
        (b"\xFF\xFE", UTF_16),
        (b"\xFE\xFF", UTF_16),
        (b"PAR1", "a Parquet file"),
        (b"ORC", "an ORC file"),
        (b"Obj\x01", "an Avro file"),
        (b"PK\x03\x04", "a zip archive"),
        (b"PK\x05\x06", "an empty zip archive"),
        (b"\xFD7zXZ\0", "an xz file"),
        (b"\x04\x22\x4D\x18", "an lz4 file"),
        (b"\xFF\x06\0\0sNaPpY", "a framed Snappy file"),
    ];
    let known = SIGNATURES.iter().find(|(first, _)| head.starts_with(first));
    if let Some((_, format)) = known {
        return Some(format);
    }
    let is_json_start = |c: u8| matches!(c, b'{' | b'[') || is_json_whitespace(c);
    match *head.first_chunk()? {
        [c, 0, 0, 0] | [0, 0, 0, c] if is_json_start(c) => Some(UTF_32),
        [c, 0, next, 0] | [0, c, 0, next] if is_json_start(c) && next != 0 => Some(UTF_16),
        _ => None,
    }
}

const UTF_16: &str = "UTF-16 text";
const UTF_32: &str = "UTF-32 text";

/// Distinguishes HTML from XML; both begin with a tag.
fn markup_format(text: &[u8]) -> &'static str {
    let begins = |tag: &[u8]| {
        let first = text.get(..tag.len()).unwrap_or_default();
        first.eq_ignore_ascii_case(tag)
    };
    if begins(b"<!doctype html") || begins(b"<html") || begins(b"<head") {
        "an HTML page"
    } else {
        "an XML document"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_detected_from_first_bytes() {
        let non_json_format = |head: &[u8]| match detect_layout(head, true) {
            Some(RecordLayout::NotJson(format)) => format,
            other => panic!("{head:?}: {other:?}"),
        };
        let utf16: Vec<u8> = "{\"a\"".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(non_json_format(&utf16), UTF_16);
        let utf16: Vec<u8> = "[{\"".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(non_json_format(&utf16), UTF_16);
        assert_eq!(non_json_format(b"\xFF\xFE{\0"), UTF_16);
        assert_eq!(non_json_format(b"\xFF\xFE\0\0{\0\0\0"), UTF_32);
        assert_eq!(non_json_format(b"{\0\0\0\"\0\0\0"), UTF_32);
        assert_eq!(non_json_format(b"\0\0\0{\0\0\0\""), UTF_32);
        assert_eq!(non_json_format(b"PAR1\x15\x04"), "a Parquet file");
        assert_eq!(non_json_format(b"\n<!DOCTYPE HTML>"), "an HTML page");
        assert_eq!(non_json_format(b"\xEF\xBB\xBF<?xml"), "an XML document");
        for sequence in [
            &b"{"[..],
            b"",
            b"{\0",
            b"\0\0\0\0",
            b"\xEF\xBB",
            b"<",
            b"x[",
            b"\x0C[",
        ] {
            assert_eq!(
                detect_layout(sequence, true),
                Some(RecordLayout::Sequence),
                "{sequence:?}"
            );
        }
        for array in [
            &b"["[..],
            b"[\0",
            b" \n[{",
            b"\xEF\xBB\xBF[",
            b"\xEF\xBB\xBF \xEF\xBB\xBF[",
        ] {
            assert_eq!(
                detect_layout(array, true),
                Some(RecordLayout::Array),
                "{array:?}"
            );
        }
    }

    #[test]
    fn more_bytes_do_not_change_the_layout() {
        let long = [&[b' '; MAX_SNIFF_BYTES][..], b"["].concat();
        let heads = [
            &b"\xEF\xBB\xBF[{}]"[..],
            b"{\"a\":1}",
            b"  <html>",
            b"\xFF\xFE\0\0{\0\0\0{\0",
            &long,
        ];
        for head in heads {
            let all = detect_layout(head, true);
            for len in 0..head.len() {
                let some = detect_layout(&head[..len], false);
                assert!(some.is_none() || some == all, "{len} bytes of {head:?}");
            }
        }
        assert_eq!(detect_layout(&long, true), Some(RecordLayout::Sequence));
        assert_eq!(
            detect_layout(&long[..MAX_SNIFF_BYTES], false),
            Some(RecordLayout::Sequence)
        );
    }
}
