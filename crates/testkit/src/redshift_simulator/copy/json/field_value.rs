//! Converts JSON values into the values of columns.

use std::borrow::Cow;

use chrono::NaiveDateTime;

use crate::redshift_simulator::copy::json::number_spelling::spell_double;
use crate::redshift_simulator::copy::statement::{JsonOptions, TimeFormat};
use crate::redshift_simulator::parquet_to_pg_copy::PG_EPOCH_MICROS;
use crate::redshift_simulator::protocol::SqlError;
use crate::redshift_simulator::settings::NumberSpelling;
use crate::redshift_simulator::target_column::TargetColumn;

/// The reason for which a value cannot be loaded, with the error code of STL_LOAD_ERRORS.
pub struct ValueError {
    pub code: u32,
    pub message: String,
}

impl ValueError {
    pub fn new(code: u32, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message }
    }
}

/// Converts the values of a COPY.
pub struct FieldEncoder<'a> {
    pub options: &'a JsonOptions,
    pub number_spelling: NumberSpelling,
}

impl FieldEncoder<'_> {
    /// Checks that values can be converted into the type of the column.
    pub fn check_type(column: &TargetColumn) -> Result<(), SqlError> {
        match column.short_type() {
            "other" => Err(SqlError::unsupported(format!(
                "the simulator does not load JSON into columns of type {}",
                column.ty
            ))),
            _ => Ok(()),
        }
    }

    /// Appends a JSON value as a value of the column.
    pub fn append(
        &self,
        column: &TargetColumn,
        json: &str,
        row: &mut Vec<u8>,
    ) -> Result<(), ValueError> {
        let is_text = column.max_bytes.is_some();
        let text = decode_value(json)?.map(|text| match json.as_bytes()[0] {
            b'0'..=b'9' | b'-' if is_text => self.spell_number(json),
            _ => text,
        });
        let is_null = |text: &Cow<'_, str>| match is_text {
            true => self.is_null_text(text),
            false => text.is_empty(),
        };
        let Some(text) = text.filter(|text| !is_null(text)) else {
            if column.is_not_null {
                let message = "Missing data for not-null field";
                return Err(ValueError::new(1213, message));
            }
            row.extend((-1_i32).to_be_bytes());
            return Ok(());
        };
        match column.short_type() {
            "int2" => append_bytes(row, &parse_integer::<i16>(&text)?.to_be_bytes()),
            "int4" => append_bytes(row, &parse_integer::<i32>(&text)?.to_be_bytes()),
            "int8" => append_bytes(row, &parse_integer::<i64>(&text)?.to_be_bytes()),
            "float8" => append_bytes(row, &parse_double(&text)?.to_be_bytes()),
            "timestamp" => append_bytes(row, &self.parse_time(&text)?.to_be_bytes()),
            _ => append_bytes(row, self.fit(column, &text)?.as_bytes()),
        }
        Ok(())
    }

    /// Returns the text of a number that is loaded into a text column.
    fn spell_number<'v>(&self, json: &'v str) -> Cow<'v, str> {
        match self.number_spelling {
            NumberSpelling::AsWritten => Cow::Borrowed(json),
            NumberSpelling::ThroughDouble => {
                let number = json.parse().expect("JSON numbers are numbers");
                Cow::Owned(spell_double(number))
            }
        }
    }

    /// Returns whether a text is loaded as null into a text column.
    fn is_null_text(&self, text: &str) -> bool {
        match text.is_empty() {
            true => self.options.empty_as_null,
            false => self.options.blanks_as_null && text.chars().all(char::is_whitespace),
        }
    }

    /// Checks the length of a text in bytes, or cuts it.
    fn fit<'v>(&self, column: &TargetColumn, text: &'v str) -> Result<&'v str, ValueError> {
        let max = column.max_bytes.unwrap_or(usize::MAX);
        if text.len() <= max {
            return Ok(text);
        }
        match self.options.truncate_columns {
            true => Ok(&text[..text.floor_char_boundary(max)]),
            false => Err(ValueError::new(1204, "String length exceeds DDL length")),
        }
    }

    /// Parses a time into microseconds since 2000.
    fn parse_time(&self, text: &str) -> Result<i64, ValueError> {
        let micros = match self.options.time_format {
            TimeFormat::Standard => NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f")
                .ok()
                .map(|time| time.and_utc().timestamp_micros()),
            TimeFormat::EpochMillis => scaled_integer(text, 1000),
            TimeFormat::EpochSeconds => scaled_integer(text, 1_000_000),
        };
        let micros = micros.and_then(|micros| micros.checked_sub(PG_EPOCH_MICROS));
        micros.ok_or_else(|| {
            let message = "Invalid timestamp format or value for the given TIMEFORMAT";
            ValueError::new(1206, message)
        })
    }
}

fn append_bytes(row: &mut Vec<u8>, bytes: &[u8]) {
    row.extend(i32::try_from(bytes.len()).unwrap().to_be_bytes());
    row.extend(bytes);
}

/// Returns the text of a value, or `None` for null.
fn decode_value(json: &str) -> Result<Option<Cow<'_, str>>, ValueError> {
    match json.as_bytes()[0] {
        b'n' => Ok(None),
        b'"' => decode_string(json).map(Some),
        _ => Ok(Some(Cow::Borrowed(json))),
    }
}

/// Decodes a JSON string. U+0000 ends it. The documentation is silent about escapes of lone surrogates, which are not
/// valid UTF-8.
fn decode_string(json: &str) -> Result<Cow<'_, str>, ValueError> {
    let inner = &json[1..json.len() - 1];
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    let mut text: String = serde_json::from_str(json).map_err(|_| {
        let message = "String contains invalid or unsupported UTF8 codepoints";
        ValueError::new(1220, message)
    })?;
    match text.find('\0') {
        // The code of this error is not documented.
        Some(0) => Err(ValueError::new(1220, "The value begins with a null byte")),
        end => {
            text.truncate(end.unwrap_or(text.len()));
            Ok(Cow::Owned(text))
        }
    }
}

/// Parses an integer. A fraction is cut off, not rounded.
fn parse_integer<T: TryFrom<i128>>(text: &str) -> Result<T, ValueError> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        let wrong = text.chars().find(|char| !char.is_ascii_digit());
        let message = format!("Invalid digit, Value '{}'", wrong.unwrap_or('.'));
        return Err(ValueError::new(1207, message));
    }
    let sign = if unsigned.len() < text.len() { -1 } else { 1 };
    let number = whole.parse::<i128>().ok();
    let number = number.and_then(|number| T::try_from(sign * number).ok());
    number.ok_or_else(|| ValueError::new(1222, "Overflow: the number does not fit the column"))
}

/// Parses a double. One that overflows or underflows is rejected, because this is not documented.
fn parse_double(text: &str) -> Result<f64, ValueError> {
    let is_number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let number = text.parse::<f64>().ok().filter(|_| is_number);
    let number = number.ok_or_else(|| ValueError::new(1208, "Invalid floating point value"))?;
    let digits = text.split(['e', 'E']).next().unwrap_or_default();
    let is_zero = !digits.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    match number.is_finite() && (number != 0.0 || is_zero) {
        true => Ok(number),
        false => Err(ValueError::new(
            1204,
            "The floating point value is out of range",
        )),
    }
}

fn scaled_integer(text: &str, micros: i64) -> Option<i64> {
    text.parse::<i64>().ok()?.checked_mul(micros)
}
