//! An independent implementation of the rules of the engine: it reads JSON songs and logs, and computes the
//! five tables and all counts. It favours simplicity over speed: it uses one thread, keeps everything in
//! memory, and leaves the JSON grammar to `serde_json`. Tests compare the engine with it.
//!
//! - `input`: lists the input objects, and decompresses them
//! - `framing`: finds the start and end of each record, and the malformed ranges between records
//! - `value`: parses a record, and converts JSON values to column types
//! - `rows`: converts a record to a song or a kept event, or finds the reason for its rejection
//! - `unknown_keys`: lists the keys of a record that the model does not know
//! - `star`: computes the five tables from the accepted songs and the kept events, and removes duplicates
//! - `merge_state`: computes the state that later loads need of these songs and events
//! - `output`, `compute`: the complete output, and its computation from two inputs

mod compute;
mod framing;
mod input;
mod merge_state;
mod output;
pub mod rows;
mod star;
mod unknown_keys;
pub mod value;

pub use compute::compute;
pub use framing::{ScanItem, scan_records};
pub use input::{ReferenceInput, list};
pub use output::{
    Artist, ArtistStateRow, DataLoss, LogCounts, MergeState, ReferenceOutput, Reject, Song,
    SongCounts, SongStateRow, Songplay, SongplayStateRow, SourceObject, Time, UnknownKey,
    UnknownKeys, User, UserStateRow,
};
pub use unknown_keys::list_unknown_keys;
