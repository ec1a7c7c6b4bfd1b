//! Selects the input objects, plans their splits and reads their bytes in chunks for the decoder.
//!
//! This module connects the stores to the decoder.

mod chunk_reader;
mod compression;
mod daily_names;
mod decompress;
mod glob;
mod ignored_counts;
mod input_listing;
mod input_object;
mod input_spec;
mod object_key;
mod record_kind;
mod split;

pub(crate) use chunk_reader::{ChunkReader, DEFAULT_CHUNK_BYTES, ReadRange};
pub(crate) use compression::{CompressionDetection, InputCompression, detect_compression};
pub(crate) use daily_names::{AbsentDays, DailyNames};
pub use glob::Glob;
pub(crate) use glob::GlobMatch;
pub(crate) use ignored_counts::{IgnoredCounts, describe_ignored};
pub(crate) use input_listing::{InputListing, InputSelectionRules};
pub(crate) use input_object::{InputObject, RejectOrigin, RejectPosition};
pub use input_spec::InputSpec;
pub use record_kind::RecordKind;
pub(crate) use split::{Segment, Split, SplitNumber, SplitSet, plan_splits};
