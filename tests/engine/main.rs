//! The engine through its public API, compared with an independent implementation of the same rules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod concurrent_modification;
mod corrupt_streams;
mod determinism;
mod dictionary_encoding;
mod duplicate_events;
mod format_detection;
mod generator;
mod golden_cases;
mod harness;
mod input_globs;
mod merge_state;
mod parquet_codecs;
mod read_output;
mod replay;
mod unknown_keys;
mod user_reported_inputs;
