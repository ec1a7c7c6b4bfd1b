//! Describes a column of the table that COPY loads.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::schema::types::ColumnDescriptor;

/// A column of the target table.
#[derive(Clone, Debug)]
pub struct TargetColumn {
    pub name: String,
    /// The type as PostgreSQL formats it.
    pub ty: String,
    pub is_not_null: bool,
    /// The maximum number of bytes of a text.
    pub max_bytes: Option<usize>,
}

impl TargetColumn {
    pub fn new(name: &str, ty: &str, not_null: bool) -> Self {
        let length = ty.strip_prefix("character varying(");
        Self {
            name: name.to_owned(),
            ty: ty.to_owned(),
            is_not_null: not_null,
            max_bytes: length.and_then(|rest| rest.strip_suffix(')')?.parse().ok()),
        }
    }

    /// Returns the quoted name for SQL.
    pub fn quoted_name(&self) -> String {
        format!("\"{}\"", self.name.replace('"', "\"\""))
    }

    /// Returns the name of the type as Redshift abbreviates it in the load error views.
    pub fn short_type(&self) -> &'static str {
        match self.ty.as_str() {
            "smallint" => "int2",
            "integer" => "int4",
            "bigint" => "int8",
            "double precision" => "float8",
            "timestamp without time zone" => "timestamp",
            _ if self.max_bytes.is_some() => "varchar",
            _ => "other",
        }
    }

    /// Returns the maximum number of bytes, for the load error views.
    pub fn max_bytes_text(&self) -> String {
        self.max_bytes
            .map_or("0".to_owned(), |length| length.to_string())
    }

    /// Returns whether a column of a file has exactly this type.
    pub(super) fn accepts(&self, file: &ColumnDescriptor) -> bool {
        let logical = file.logical_type_ref();
        let plain = file.converted_type() == ConvertedType::NONE && logical.is_none();
        let signed = |bits| logical == Some(&LogicalType::integer(bits, true));
        let utf8 =
            file.converted_type() == ConvertedType::UTF8 || logical == Some(&LogicalType::String);
        let micros = logical == Some(&LogicalType::timestamp(false, TimeUnit::MICROS));
        if file.max_rep_level() > 0 {
            return false;
        }
        match (self.ty.as_str(), file.physical_type()) {
            ("integer", Physical::INT32) => plain || signed(32),
            ("smallint", Physical::INT32) => signed(16),
            ("bigint", Physical::INT64) => plain || signed(64),
            ("double precision", Physical::DOUBLE) => true,
            ("timestamp without time zone", Physical::INT64) => micros,
            (_, Physical::BYTE_ARRAY) => self.max_bytes.is_some() && utf8,
            _ => false,
        }
    }
}
