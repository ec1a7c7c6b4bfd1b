//! Shared parts of the benchmarks: generated input, which is the same on every machine, and the output of
//! earlier stages.

// Each benchmark uses only some of it.
#![allow(dead_code)]

pub mod log_variants;

use std::fs;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use criterion::Throughput;
use sparkify::config::IoSizes;
use sparkify::generate::{GenerateOptions, GenerateSummary, generate};
use sparkify::internals::decode::padded_bytes::PADDING;
use sparkify::internals::decode::{DecodeStatus, Decoder, InputChunk, InputState, RecordCounts};
use sparkify::internals::model::RecordSchema;
use sparkify::internals::model::sparkify::{EVENT_RECORD, SONG_RECORD, SPARKIFY};
use sparkify::internals::star::{
    LOOKUP_SHARDS, Lookup, LookupOutput, LookupShard, PickDelta, RecordColumns, StarKernels,
};
use tempfile::TempDir;

/// A few megabytes, which exceed the second-level cache, as real input does.
pub const SMALL_INPUT: GenerateOptions = GenerateOptions {
    events: 20_000,
    songs: 5_000,
    users: 2_000,
    files: 4,
    seed: 3,
    edge_cases: false,
};

/// Nearly as many events as a worker processes at a time.
pub const SPLIT_INPUT: GenerateOptions = GenerateOptions {
    events: 50_000,
    users: 5_000,
    ..SMALL_INPUT
};

/// Generated songs and logs in a temporary directory.
pub struct GeneratedInput {
    dir: TempDir,
    /// The summary of the generator.
    pub summary: GenerateSummary,
}

impl GeneratedInput {
    /// Generates the input.
    pub fn new(options: &GenerateOptions) -> Self {
        let dir = temp_dir();
        let summary = generate(dir.path(), options, &mut |_, _| {}).unwrap();
        Self { dir, summary }
    }

    /// Returns the directory of the songs.
    pub fn songs(&self) -> PathBuf {
        self.dir.path().join("song_data")
    }

    /// Returns the directory of the logs.
    pub fn logs(&self) -> PathBuf {
        self.dir.path().join("log_data")
    }
}

/// Creates a temporary directory for some megabytes, in memory where the system has a directory there.
pub fn temp_dir() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// Returns the contents of all JSON files in a directory and its subdirectories.
pub fn read_json_files(dir: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    append_json_files(dir, &mut all);
    all
}

fn append_json_files(dir: &Path, contents: &mut Vec<u8>) {
    let entries = fs::read_dir(dir).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            append_json_files(&path, contents);
        } else if path.extension().is_some_and(|e| e == "json") {
            contents.extend(fs::read(&path).unwrap());
            contents.push(b'\n');
        }
    }
}

/// Returns the lines that are not empty.
pub fn non_empty_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b'\n').filter(|line| !line.is_empty())
}

/// Creates a decoder with the batch size of the engine.
pub fn new_decoder(schema: &'static RecordSchema) -> Decoder {
    Decoder::new(schema, IoSizes::default().row_group_rows)
}

/// Appends the padding that the decoder requires.
pub fn with_padding(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend([0; PADDING]);
    bytes
}

/// Decodes `padded` as one chunk, passes the batches to `sink`, and returns the record counts.
pub fn decode_all(
    decoder: &mut Decoder,
    padded: &[u8],
    mut sink: impl FnMut(RecordBatch),
) -> RecordCounts {
    let len = padded.len() - PADDING;
    let mut at = 0;
    decoder.begin_segment(None);
    loop {
        let chunk = InputChunk {
            padded: &padded[at..],
            len: len - at,
            offset: at as u64,
            input_state: InputState::Eof,
        };
        let result = decoder.decode(chunk, u64::MAX);
        at += result.consumed;
        sink(decoder.finish().unwrap());
        if result.status == DecodeStatus::SegmentEnd {
            return decoder.take_counts();
        }
    }
}

/// Returns all batches of a decoder.
pub fn decode_batches(mut decoder: Decoder, bytes: Vec<u8>) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    decode_all(&mut decoder, &with_padding(bytes), |batch| {
        batches.push(batch)
    });
    batches
}

/// Returns the kept events of a log in one batch.
pub fn decode_events(log: Vec<u8>) -> RecordBatch {
    decode_batches(new_decoder(&EVENT_RECORD), log).remove(0)
}

/// Converts decoded events for the computation of tables.
pub fn event_columns(events: &RecordBatch) -> RecordColumns {
    RecordColumns::new(events).unwrap()
}

/// Decodes song records for the computation of tables.
pub fn decode_songs(songs: Vec<u8>) -> Vec<RecordColumns> {
    let batches = decode_batches(new_decoder(&SONG_RECORD), songs);
    let song_batches = batches.iter().map(RecordColumns::new);
    song_batches.collect::<Result<_, _>>().unwrap()
}

/// Returns the kernels of the built-in model.
pub fn kernels() -> StarKernels {
    StarKernels::new(&SPARKIFY)
}

/// Returns the users of the events of one split.
pub fn user_delta(kernels: &StarKernels, events: &RecordColumns) -> PickDelta {
    let mut delta = PickDelta::default();
    delta.add(&kernels.event_picks[0], events);
    delta
}

/// Returns the distinct start times of events, in ascending order.
pub fn start_times(kernels: &StarKernels, events: &RecordColumns) -> Vec<i64> {
    let mut times = kernels.calendar.times(events).to_vec();
    times.sort_unstable();
    times.dedup();
    times
}

/// Returns the throughput of one iteration.
pub fn throughput(rows: u64, bytes: u64) -> Throughput {
    Throughput::ElementsAndBytes {
        elements: rows,
        bytes,
    }
}

/// Builds the lookup of all songs, shard by shard.
pub fn build_lookup(kernels: &StarKernels, batches: &[RecordColumns]) -> Lookup {
    let kernel = &kernels.fact.lookup;
    let hashes: Vec<_> = batches
        .iter()
        .map(|batch| kernel.hash_keys(batch))
        .collect();
    let shard = |number| LookupShard::new(kernel, batches, &hashes, number).unwrap();
    let shards: Vec<LookupShard> = (0..LOOKUP_SHARDS).map(shard).collect();
    let output = |number| LookupOutput::new(kernel, batches, &shards, number).unwrap();
    let outputs = (0..kernel.num_outputs()).map(output).collect();
    Lookup::new(outputs, shards)
}
