//! Decodes JSON bytes into Arrow record batches and rejects, according to a
//! [`RecordSchema`](crate::model::RecordSchema).
//!
//! The decoder runs after reading and before the star schema is built. It does no I/O and starts no
//! threads. A caller passes it one [`InputChunk`] of a segment after the other; the rows and the rejects do
//! not depend on the sizes of the chunks. Each worker has one [`Decoder`] and reuses it for every segment.
//!
//! Every byte of a record is checked: the grammar by [`scanner`], the encoding by the decoder, the values of
//! the schema's keys by `builders`. Each record becomes a row or a reject, or is only counted if the filter
//! drops it.

mod batch_builder;
pub(crate) mod builders;
mod candidate_validator;
mod cursor;
mod decode_call;
mod decoder;
mod interner;
mod key_prediction;
pub(crate) mod lexer;
mod open_levels;
pub(crate) mod padded_bytes;
mod pending_reject;
mod record_block;
pub(crate) mod reject;
mod resync;
pub(crate) mod scanner;
pub(crate) mod sniff;
pub(crate) mod span_value;
mod structural_index;
pub(crate) mod unknown_keys;
pub(crate) mod value;
pub(crate) mod value_span;

pub(crate) use decode_call::MAX_RECORD_BYTES;
pub use decode_call::{DecodeStatus, InputChunk, InputState, RecordCounts};
pub use decoder::Decoder;
pub(crate) use structural_index::instruction_set;
