//! Describes the columns of tables.

use std::fmt;

use arrow_schema::{DataType, TimeUnit};

/// The type of a column, by its name in Redshift and PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// 64-bit integer.
    BigInt,
    /// 32-bit integer.
    Integer,
    /// 16-bit integer.
    SmallInt,
    /// IEEE double.
    Double,
    /// Microseconds since 1970, without a time zone.
    Timestamp,
    /// Text of at most this number of UTF-8 bytes.
    Varchar(usize),
}

impl ColumnType {
    /// Returns the Arrow type, which determines the Parquet type. Redshift's COPY requires exactly these
    /// Parquet types.
    pub fn data_type(self) -> DataType {
        match self {
            Self::BigInt => DataType::Int64,
            Self::Integer => DataType::Int32,
            Self::SmallInt => DataType::Int16,
            Self::Double => DataType::Float64,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Varchar(_) => DataType::Utf8,
        }
    }

    /// Returns true for text.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Varchar(_))
    }
}

impl fmt::Display for ColumnType {
    /// Writes the type as SQL does, in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BigInt => f.write_str("bigint"),
            Self::Integer => f.write_str("integer"),
            Self::SmallInt => f.write_str("smallint"),
            Self::Double => f.write_str("double precision"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Varchar(max_bytes) => write!(f, "varchar({max_bytes})"),
        }
    }
}

/// Where the values of a column come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueSource {
    /// A field of the record, by its key. A `Timestamp` column converts milliseconds since 1970.
    Field(&'static str),
    /// The hash of fields of the record, by their keys: FNV-1a with 64 bits, as Redshift's `FNV_HASH`. The hash of
    /// each field is the seed of the next. A text that another field follows is followed by a zero of type SMALLINT,
    /// which occurs in no text and separates the two.
    Hash(&'static [&'static str]),
    /// A part of the time that another field has, by the key of that field.
    CalendarPart(&'static str, CalendarPart),
    /// A column of the table that the fact table is looked up in, by its name.
    Lookup(&'static str),
    /// A fact about an input object, the run or the load, which no record has.
    Engine(EngineValue),
}

/// A fact about an input object, the run or the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineValue {
    /// The kind of the object: `song` or `log`.
    ObjectKind,
    /// The name of the object, which does not depend on the current directory.
    ObjectName,
    /// The version of its content, such as an ETag.
    ObjectVersion,
    /// The number of its records that were kept.
    KeptRecords,
    /// The number of its records that were rejected.
    RejectedRecords,
    /// The bytes of these, after decompression.
    RejectedBytes,
    /// The id of the run that wrote the dataset.
    Run,
    /// When the dataset was loaded.
    LoadedAt,
    /// The user of the warehouse who loaded it.
    LoadedBy,
    /// The duration of the load in seconds, up to the moment when it is recorded.
    LoadSeconds,
}

impl EngineValue {
    /// The values that a dataset has for each of its source objects.
    pub const OBJECT_VALUES: [Self; 6] = [
        Self::ObjectKind,
        Self::ObjectName,
        Self::ObjectVersion,
        Self::KeptRecords,
        Self::RejectedRecords,
        Self::RejectedBytes,
    ];

    /// The values that a load adds in the history.
    pub const LOAD_VALUES: [Self; 4] =
        [Self::Run, Self::LoadedAt, Self::LoadedBy, Self::LoadSeconds];
}

/// A part of a time in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarPart {
    /// The hour, 0 to 23.
    Hour,
    /// The day of the month, from 1.
    Day,
    /// The week by ISO 8601, from 1.
    Week,
    /// The month, from 1.
    Month,
    /// The year.
    Year,
    /// The day of the week, 0 to 6 from Sunday.
    Weekday,
}

impl fmt::Display for CalendarPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
            Self::Weekday => "weekday",
        })
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnSchema {
    /// The name of the column.
    pub name: &'static str,
    /// The type of the column.
    pub ty: ColumnType,
    /// Whether the column may be null.
    pub nullable: bool,
    /// Where its values come from.
    pub source: ValueSource,
    /// What the values mean, as a sentence of the data dictionary.
    pub description: &'static str,
    /// How an upgrade adds the column to a warehouse, if the first version did not have it.
    pub added: Option<AddedColumn>,
}

/// A column that a table of a warehouse did not have from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddedColumn {
    /// The value that older rows get, without quotes; `None` for null.
    pub fill: Option<&'static str>,
}

impl ColumnSchema {
    /// Returns the same column, which the first version did not have, with the value that older rows get; `None` for
    /// null.
    pub const fn added_later(self, fill: Option<&'static str>) -> Self {
        Self {
            added: Some(AddedColumn { fill }),
            ..self
        }
    }

    /// Returns the same column, which may be null.
    pub const fn or_null(self) -> Self {
        Self {
            nullable: true,
            ..self
        }
    }
}

/// Returns a column that is never null.
pub(in crate::model) const fn column(
    name: &'static str,
    ty: ColumnType,
    source: ValueSource,
    description: &'static str,
) -> ColumnSchema {
    ColumnSchema {
        name,
        ty,
        nullable: false,
        source,
        description,
        added: None,
    }
}
