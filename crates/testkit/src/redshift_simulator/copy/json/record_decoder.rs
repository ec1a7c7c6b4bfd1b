//! Decodes a JSON object into a row of a binary COPY.

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::redshift_simulator::copy::json::field_value::{FieldEncoder, ValueError};
use crate::redshift_simulator::copy::json::mapping::FieldMapping;
use crate::redshift_simulator::copy::json::path_file::PathStep;
use crate::redshift_simulator::copy::statement::JsonOptions;
use crate::redshift_simulator::protocol::SqlError;
use crate::redshift_simulator::settings::{RepeatedKeys, SimulatorSettings};
use crate::redshift_simulator::target_column::TargetColumn;

/// The reason for which a record is rejected.
pub struct RecordError {
    /// The position of the column, if one has the error.
    pub column: Option<usize>,
    pub code: u32,
    pub message: String,
    /// The text of the value.
    pub value: Option<String>,
}

impl RecordError {
    /// Returns the error of a record that is not a JSON object.
    pub fn syntax(message: &str) -> Self {
        Self {
            column: None,
            code: 1216,
            message: message.to_owned(),
            value: None,
        }
    }
}

/// Decodes the records of a COPY.
pub struct RecordDecoder<'a> {
    mapping: FieldMapping,
    columns: &'a [TargetColumn],
    encoder: FieldEncoder<'a>,
    repeated_keys: RepeatedKeys,
}

impl<'a> RecordDecoder<'a> {
    /// Creates a decoder, or returns the error of a column whose type cannot be loaded.
    pub fn new(
        mapping: FieldMapping,
        columns: &'a [TargetColumn],
        options: &'a JsonOptions,
        settings: &SimulatorSettings,
    ) -> Result<Self, SqlError> {
        for column in columns {
            FieldEncoder::check_type(column)?;
        }
        Ok(Self {
            mapping,
            columns,
            encoder: FieldEncoder {
                options,
                number_spelling: settings.number_spelling,
            },
            repeated_keys: settings.repeated_keys,
        })
    }

    /// Appends the row of an object, or nothing if the record is rejected. Invalid UTF-8 in keys and values that are not
    /// loaded is ignored, about which the documentation is silent.
    pub fn append_row(
        &self,
        object: &RawValue,
        invalid: &[Range<usize>],
        row: &mut Vec<u8>,
    ) -> Result<(), RecordError> {
        let mut members = vec![None; self.mapping.keys.len()];
        let collector = MemberCollector {
            position: |key: &str| self.mapping.position(key),
            repeated_keys: self.repeated_keys,
            members: &mut members,
        };
        collector
            .deserialize(object)
            .map_err(|error| RecordError::syntax(&format!("Invalid JSON: {error}")))?;
        let start = row.len();
        let count = u16::try_from(self.columns.len()).expect("a table has few columns");
        row.extend(count.to_be_bytes());
        let fields = self.columns.iter().zip(&self.mapping.fields);
        for (at, (column, (member, steps))) in fields.enumerate() {
            let value = members[*member].and_then(|value| self.find_value(value, steps));
            let appended = match value {
                Some(value) if contains_invalid(object, value, invalid) => {
                    let message = "String contains invalid or unsupported UTF8 codepoints";
                    Err(ValueError::new(1220, message))
                }
                _ => self
                    .encoder
                    .append(column, value.map_or("null", RawValue::get), row),
            };
            if let Err(error) = appended {
                row.truncate(start);
                return Err(RecordError {
                    column: Some(at),
                    code: error.code,
                    message: error.message,
                    value: value.map(|value| value.get().trim_matches('"').to_owned()),
                });
            }
        }
        Ok(())
    }

    /// Returns the value at a path within a value.
    fn find_value<'v>(&self, value: &'v RawValue, steps: &[PathStep]) -> Option<&'v RawValue> {
        let mut value = value;
        for step in steps {
            match step {
                PathStep::Key(wanted) if value.get().starts_with('{') => {
                    let mut found = [None];
                    let collector = MemberCollector {
                        position: |key: &str| (key == wanted).then_some(0),
                        repeated_keys: self.repeated_keys,
                        members: &mut found,
                    };
                    collector.deserialize(value).ok()?;
                    value = found[0]?;
                }
                PathStep::Element(index) if value.get().starts_with('[') => {
                    let elements: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
                    value = elements.get(*index)?;
                }
                _ => return None,
            }
        }
        Some(value)
    }
}

/// Returns whether a value contains invalid UTF-8, which is at these ranges of the object.
fn contains_invalid(object: &RawValue, value: &RawValue, invalid: &[Range<usize>]) -> bool {
    if invalid.is_empty() {
        return false;
    }
    let start = value.get().as_ptr().addr() - object.get().as_ptr().addr();
    let end = start + value.get().len();
    invalid
        .iter()
        .any(|range| range.start < end && range.end > start)
}

/// Collects the members of an object whose keys have a position.
struct MemberCollector<'m, 'de, F> {
    position: F,
    repeated_keys: RepeatedKeys,
    members: &'m mut [Option<&'de RawValue>],
}

impl<'de, F: Fn(&str) -> Option<usize>> DeserializeSeed<'de> for MemberCollector<'_, 'de, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: Fn(&str) -> Option<usize>> Visitor<'de> for MemberCollector<'_, 'de, F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(position) = map.next_key_seed(KeyPosition(&self.position))? {
            match position {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(at) => {
                    let value = map.next_value()?;
                    let keeps_first = self.repeated_keys == RepeatedKeys::First;
                    if self.members[at].is_none() || !keeps_first {
                        self.members[at] = Some(value);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Looks up the position of a key without copying it.
struct KeyPosition<'f, F>(&'f F);

impl<'de, F: Fn(&str) -> Option<usize>> DeserializeSeed<'de> for KeyPosition<'_, F> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<F: Fn(&str) -> Option<usize>> Visitor<'_> for KeyPosition<'_, F> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok((self.0)(key))
    }
}
