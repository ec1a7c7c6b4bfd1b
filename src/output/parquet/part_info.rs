//! Describes a Parquet part that was written.

/// One Parquet file of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartInfo {
    /// The number of the part in its table, which is part of the file name.
    pub number: usize,
    /// The number of rows.
    pub rows: u64,
    /// The length in bytes.
    pub bytes: u64,
}
