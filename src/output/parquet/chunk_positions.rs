//! Checks where a footer says that columns are, because the Parquet reader takes it for granted and panics.

use parquet::file::metadata::ParquetMetaData;

/// Checks that all column chunks are inside a file of `file_bytes` bytes.
///
/// # Errors
/// Returns a reason that names the first column that is not.
pub(crate) fn check_chunk_positions(
    metadata: &ParquetMetaData,
    file_bytes: u64,
) -> Result<(), String> {
    for column in metadata
        .row_groups()
        .iter()
        .flat_map(|group| group.columns())
    {
        let start = match column.dictionary_page_offset() {
            Some(start) => start.min(column.data_page_offset()),
            None => column.data_page_offset(),
        };
        let end = start.checked_add(column.compressed_size());
        let is_inside = start >= 0
            && column.compressed_size() >= 0
            && column.data_page_offset() >= 0
            && end.is_some_and(|end| end.unsigned_abs() <= file_bytes);
        if !is_inside {
            let name = column.column_path();
            return Err(format!("its footer places column {name} outside the file"));
        }
    }
    Ok(())
}
