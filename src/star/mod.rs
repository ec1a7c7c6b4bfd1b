//! Builds the rows of the star schema's five tables and of the merge state from decoded record batches.
//!
//! This module runs after decoding and before Parquet encoding. It does no I/O and starts no threads:
//! each function returns rows or a state that can be merged. Every choice between records depends only on
//! their contents.

pub(crate) mod bloom_filter;
pub(crate) mod delivery_order;
mod fnv;
pub(crate) mod song_lookup;
pub(crate) mod songplays;
pub(crate) mod songs_and_artists;
mod sort_order;
pub(crate) mod source_objects;
pub(crate) mod string_pool;
mod text_array;
pub(crate) mod time_dimension;
pub(crate) mod typed_batches;
pub(crate) mod users;
