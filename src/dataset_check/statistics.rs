//! Compares the statistics in the footer of a part with its values. Readers skip row groups by them, and a damaged value
//! that can be decoded may be outside of them.

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, RecordBatch};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::integers::integers;

/// The nulls, the smallest and the largest value of a column of a row group.
#[derive(Debug, Default)]
struct ColumnExtent {
    nulls: u64,
    integers: Option<(i64, i64)>,
    doubles: Option<(f64, f64)>,
    texts: Option<(Vec<u8>, Vec<u8>)>,
}

/// The extents of the columns of a row group.
#[derive(Debug)]
pub(super) struct RowGroupExtent(Vec<ColumnExtent>);

impl RowGroupExtent {
    /// Returns the extents of no row.
    pub(super) fn new(columns: usize) -> Self {
        Self((0..columns).map(|_| ColumnExtent::default()).collect())
    }

    /// Adds the rows of a batch.
    pub(super) fn add(&mut self, batch: &RecordBatch) {
        for (extent, column) in self.0.iter_mut().zip(batch.columns()) {
            extent.nulls += column.null_count() as u64;
            if let Some(values) = integers(column) {
                let present = (0..column.len()).filter(|&row| column.is_valid(row));
                for value in present.map(|row| values[row]) {
                    let (min, max) = extent.integers.get_or_insert((value, value));
                    (*min, *max) = (value.min(*min), value.max(*max));
                }
            } else if let Some(doubles) = column.as_primitive_opt::<Float64Type>() {
                for value in doubles.iter().flatten() {
                    let (min, max) = extent.doubles.get_or_insert((value, value));
                    (*min, *max) = (value.min(*min), value.max(*max));
                }
            } else if let Some(texts) = column.as_string_opt::<i32>() {
                let texts = || texts.iter().flatten().map(str::as_bytes);
                if let (Some(least), Some(greatest)) = (texts().min(), texts().max()) {
                    let found = || (least.to_vec(), greatest.to_vec());
                    let (min, max) = extent.texts.get_or_insert_with(found);
                    if least < min.as_slice() {
                        *min = least.to_vec();
                    }
                    if greatest > max.as_slice() {
                        *max = greatest.to_vec();
                    }
                }
            }
        }
    }

    /// Returns the position of the first column whose statistics are not those of its values.
    pub(super) fn first_difference(&self, row_group: &RowGroupMetaData) -> Option<usize> {
        let columns = self.0.iter().zip(row_group.columns());
        let mut agree = columns.map(|(extent, chunk)| {
            chunk
                .statistics()
                .is_none_or(|statistics| extent.agrees_with(statistics))
        });
        agree.position(|agrees| !agrees)
    }
}

impl ColumnExtent {
    /// Returns true if statistics of the column may be those of its values. They may be absent, and bounds of texts
    /// may be cut.
    fn agrees_with(&self, statistics: &Statistics) -> bool {
        let nulls = statistics.null_count_opt();
        let has_nulls = nulls.is_none_or(|nulls| nulls == self.nulls);
        let has_values = match statistics {
            Statistics::Int32(bounds) => {
                let bounds = bounds.min_opt().zip(bounds.max_opt());
                let bounds = bounds.map(|(&min, &max)| (min.into(), max.into()));
                bounds.is_none() || bounds == self.integers
            }
            Statistics::Int64(bounds) => {
                let bounds = bounds.min_opt().zip(bounds.max_opt());
                let bounds = bounds.map(|(&min, &max)| (min, max));
                bounds.is_none() || bounds == self.integers
            }
            // Zeros are equal whatever their signs, which the bounds may leave out.
            Statistics::Double(bounds) => {
                let bounds = bounds.min_opt().zip(bounds.max_opt());
                let bounds = bounds.map(|(&min, &max)| (min, max));
                bounds.is_none() || bounds == self.doubles
            }
            Statistics::ByteArray(bounds) => {
                match (bounds.min_opt(), bounds.max_opt(), &self.texts) {
                    (Some(lower), Some(upper), Some((min, max))) => {
                        let (lower, upper) = (lower.data(), upper.data());
                        let is_min =
                            lower == min || (!bounds.min_is_exact() && lower < min.as_slice());
                        let is_max =
                            upper == max || (!bounds.max_is_exact() && upper > max.as_slice());
                        is_min && is_max
                    }
                    (lower, upper, values) => {
                        values.is_some() || (lower.is_none() && upper.is_none())
                    }
                }
            }
            _ => true,
        };
        has_nulls && has_values
    }
}
