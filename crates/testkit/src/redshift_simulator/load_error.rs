//! Describes the failure of a COPY for the load error views.

use super::target_column::TargetColumn;

/// A failed load, as the load error views show it.
#[derive(Debug, Default)]
pub struct LoadErrorRecord {
    pub table: String,
    pub file: String,
    pub line: usize,
    pub column: Option<TargetColumn>,
    pub code: u32,
    pub message: String,
    pub value: Option<String>,
}
