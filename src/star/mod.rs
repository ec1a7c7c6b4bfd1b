//! The star: from decoded record batches to the rows of its five tables.
//!
//! Stands between decoding and Parquet. No I/O and no threads: each function takes what it needs and
//! gives rows or a state that merges, and every choice between records follows from what they hold.

pub mod lookup;
pub mod records;
pub mod schema;
pub mod songplays;
pub mod songs;
pub mod time;
pub mod users;
