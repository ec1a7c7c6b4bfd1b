//! Parses the keys and values of a record, and converts JSON values to column types.

use std::fmt;

use serde::Deserialize;
use serde::de::{Error, MapAccess, Visitor};
use serde_json::Deserializer;
use serde_json::value::RawValue;

/// The reason for the rejection of a record. If several apply, the first in this order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RejectReason {
    NotJson,
    Syntax,
    Encoding,
    Nul,
    Type,
    Range,
    Missing,
    TooLong,
}

impl RejectReason {
    pub fn as_str(self) -> &'static str {
        match self {
            RejectReason::NotJson => "not_json",
            RejectReason::Syntax => "syntax",
            RejectReason::Encoding => "encoding",
            RejectReason::Nul => "nul",
            RejectReason::Type => "type",
            RejectReason::Range => "range",
            RejectReason::Missing => "missing",
            RejectReason::TooLong => "too_long",
        }
    }
}

/// The members of a record in order: each decoded key (UTF-8, or WTF-8 if it has lone surrogates, which no known
/// key has) with the text of its value. Of a repeated key, the last value counts.
pub struct RecordMembers<'a>(Vec<(Vec<u8>, &'a RawValue)>);

impl<'a> RecordMembers<'a> {
    /// Parses a record, which must be one well-formed JSON object.
    pub fn parse(record: &'a str) -> Self {
        serde_json::from_str(record).expect("the record is well-formed")
    }

    pub fn contains_key(&self, key: &str) -> bool {
        self.0.iter().any(|(member, _)| member == key.as_bytes())
    }

    /// Returns the keys that are not in `known`, and the offset of each in `record`, the text that was parsed.
    pub fn unknown_keys(&self, record: &str, known: &[&str]) -> Vec<(String, usize)> {
        let mut unknown = Vec::new();
        // After a value and its comma, the next quote opens a key.
        let mut previous_end = 0;
        for (key, value) in &self.0 {
            if !known.iter().any(|known| known.as_bytes() == key) {
                let quote = record[previous_end..].find('"').expect("a key is quoted");
                unknown.push((reported_key(key), previous_end + quote));
            }
            let start = value.get().as_ptr() as usize - record.as_ptr() as usize;
            previous_end = start + value.get().len();
        }
        unknown
    }

    pub fn get(&self, key: &str) -> FieldValue<'a> {
        let last = self.0.iter().rfind(|(member, _)| member == key.as_bytes());
        let Some((_, raw)) = last else {
            return FieldValue::Null;
        };
        let text = raw.get();
        match text.as_bytes()[0] {
            b'n' => FieldValue::Null,
            b'"' => FieldValue::Text(decode_string(text)),
            b't' | b'f' => FieldValue::Bool(text),
            b'{' | b'[' => FieldValue::Nested,
            _ => FieldValue::Number(text),
        }
    }
}

impl<'de> Deserialize<'de> for RecordMembers<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = RecordMembers<'de>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(JsonStringBytes(key)) = map.next_key()? {
                    fields.push((key, map.next_value()?));
                }
                Ok(RecordMembers(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// The maximum length of an unknown key in a report.
const MAX_KEY_BYTES: usize = 256;

/// Returns an unknown key as it is reported: U+FFFD in place of each lone surrogate, and only the first
/// characters.
fn reported_key(wtf8: &[u8]) -> String {
    let mut bytes = wtf8.to_vec();
    for at in 0..bytes.len() {
        // Surrogates, and nothing else, are encoded as ED A0 80 to ED BF BF.
        if bytes[at] == 0xED && bytes[at + 1] >= 0xA0 {
            bytes[at..at + 3].copy_from_slice("\u{FFFD}".as_bytes());
        }
    }
    let key = String::from_utf8(bytes).expect("WTF-8 without surrogates is UTF-8");
    let fits = |end: &usize| *end <= MAX_KEY_BYTES;
    let ends = key.char_indices().map(|(start, c)| start + c.len_utf8());
    let end = ends.take_while(fits).last().unwrap_or(0);
    key[..end].to_owned()
}

/// A JSON string that is deserialized as bytes: `serde_json` then returns a lone surrogate as WTF-8 instead
/// of failing.
struct JsonStringBytes(Vec<u8>);

impl<'de> Deserialize<'de> for JsonStringBytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StringVisitor;
        impl Visitor<'_> for StringVisitor {
            type Value = JsonStringBytes;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<JsonStringBytes, E> {
                Ok(JsonStringBytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(StringVisitor)
    }
}

/// Decodes a string, or returns `None` if it has a lone surrogate.
fn decode_string(json: &str) -> Option<String> {
    let JsonStringBytes(bytes) = JsonStringBytes::deserialize(&mut Deserializer::from_str(json))
        .expect("the string is well-formed");
    String::from_utf8(bytes).ok()
}

/// A value, with the distinctions that matter to columns.
#[derive(Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// `null`, or a missing key.
    Null,
    /// A decoded string, or `None` if it has a lone surrogate.
    Text(Option<String>),
    /// A number as written.
    Number(&'a str),
    /// A boolean as written.
    Bool(&'a str),
    Nested,
}

/// Converts a value for a text column of at most `limit` bytes.
pub fn text(value: FieldValue, limit: usize) -> Result<Option<String>, RejectReason> {
    let text = match value {
        FieldValue::Null => return Ok(None),
        FieldValue::Text(text) => text.ok_or(RejectReason::Encoding)?,
        FieldValue::Number(written) | FieldValue::Bool(written) => written.to_string(),
        FieldValue::Nested => return Err(RejectReason::Type),
    };
    if text.contains('\0') {
        return Err(RejectReason::Nul);
    }
    if text.len() > limit {
        return Err(RejectReason::TooLong);
    }
    Ok(Some(text))
}

/// Converts a value for an INTEGER column.
pub fn int(value: FieldValue) -> Result<Option<i32>, RejectReason> {
    match bigint(value)? {
        Some(value) => Ok(Some(i32::try_from(value).map_err(|_| RejectReason::Range)?)),
        None => Ok(None),
    }
}

/// Converts a value for a BIGINT column.
pub fn bigint(value: FieldValue) -> Result<Option<i64>, RejectReason> {
    number_text(value)?
        .map(|text| exact_integer(&text))
        .transpose()
}

/// Converts a value for a DOUBLE PRECISION column.
pub fn double(value: FieldValue) -> Result<Option<f64>, RejectReason> {
    let Some(text) = number_text(value)? else {
        return Ok(None);
    };
    let value: f64 = text.parse().expect("every JSON number parses as f64");
    if value.is_infinite() {
        return Err(RejectReason::Range);
    }
    Ok(Some(value))
}

/// Returns the JSON number that a value represents, as written.
fn number_text(value: FieldValue) -> Result<Option<String>, RejectReason> {
    match value {
        FieldValue::Null => Ok(None),
        FieldValue::Number(written) => Ok(Some(written.to_string())),
        FieldValue::Text(Some(text)) if text.is_empty() => Ok(None),
        FieldValue::Text(Some(text)) if is_json_number(&text) => Ok(Some(text)),
        FieldValue::Text(_) | FieldValue::Bool(_) | FieldValue::Nested => Err(RejectReason::Type),
    }
}

/// Returns whether a text is exactly one JSON number, without surrounding whitespace.
fn is_json_number(text: &str) -> bool {
    let starts_as_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    match serde_json::from_str::<&RawValue>(text) {
        // The parser ignores whitespace after the value, so the value must be the whole text.
        Ok(value) => starts_as_number && value.get() == text,
        Err(_) => false,
    }
}

/// Returns the exact value of a JSON number that must be an integer. The number is digits x 10^exponent;
/// after removing leading and trailing zeros of the digits, it is integral if the exponent is not negative. A
/// power is computed only once it is known to be small.
fn exact_integer(number: &str) -> Result<i64, RejectReason> {
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));

    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Ok(0);
    }
    let exponent = parse_exponent(exponent) - fraction.len() as i128
        + (digits.len() - significant.len()) as i128;
    if exponent < 0 {
        return Err(RejectReason::Type);
    }
    // An i64 has at most 19 digits.
    if significant.len() as i128 + exponent > 19 {
        return Err(RejectReason::Range);
    }
    let digits: i128 = significant.parse().expect("at most 19 digits");
    let value = digits * 10i128.pow(exponent as u32);
    i64::try_from(if negative { -value } else { value }).map_err(|_| RejectReason::Range)
}

/// Parses an exponent. A value that does not fit i64 exceeds the number of digits of any text, so it is
/// replaced by 10^20 with its sign.
fn parse_exponent(text: &str) -> i128 {
    let huge = 10i128.pow(20);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = digits.parse::<i64>().map_or(huge, i128::from);
    if negative { -value } else { value }
}
