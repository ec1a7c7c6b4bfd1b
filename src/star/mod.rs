//! Builds the rows of a star schema from decoded record batches, by the rules of a [`Model`](crate::model::Model).
//!
//! This module runs after decoding and before Parquet encoding. It does no I/O and starts no threads:
//! each function returns rows or a state that can be merged. Every choice between records depends only on
//! their contents.
//!
//! A kernel implements one rule. [`kernels`] chooses the kernels of a model, which address fields and columns by position:
//!
//! - `pick` and `pick_state`: one row for each key, the first by an order.
//! - `fact`, `lookup_kernel` and `lookup`: one row for each event, with columns of a record that is found by equal values.
//! - `deliveries`: which of several deliveries of an event is kept.
//! - `calendar`: one row for each distinct time.
//!
//! All of them compare rows by `row_order`. `first_rows` keeps the first row of each key.

pub(crate) mod bloom_filter;
pub(crate) mod calendar;
mod compact_rows;
pub(crate) mod deliveries;
pub(crate) mod fact;
pub(crate) mod first_rows;
pub(crate) mod fnv;
pub(crate) mod kernels;
pub(crate) mod lookup;
pub(crate) mod lookup_kernel;
pub(crate) mod pick;
pub(crate) mod pick_state;
pub(crate) mod record_columns;
mod row_column;
mod row_order;
pub(crate) mod source_objects;
pub(crate) mod string_pool;
mod table_rows;
#[cfg(test)]
mod tests;
mod text_array;
mod value;
