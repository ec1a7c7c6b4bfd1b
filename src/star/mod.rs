//! Builds the rows of the star schema's five tables and of the merge state from decoded record batches.
//!
//! This module runs after decoding and before Parquet encoding. It does no I/O and starts no threads:
//! each function returns rows or a state that can be merged. Every choice between records depends only on
//! their contents.

pub mod bloom_filter;
pub mod delivery_order;
mod fnv;
pub mod schema;
pub mod song_lookup;
pub mod songplays;
pub mod songs_and_artists;
mod sort_order;
pub mod source_objects;
pub mod string_pool;
mod text_array;
pub mod time_dimension;
pub mod typed_batches;
pub mod users;
