//! What the benches share: input made from a seed, the same on every machine, and what the earlier
//! stages make of it.

// Each bench uses only a part of it.
#![allow(dead_code)]

pub mod log_variants;

use std::fs;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use criterion::Throughput;
use sparkify::config::Sizes;
use sparkify::decode::bytes::PADDING;
use sparkify::decode::schema::RecordSchema;
use sparkify::decode::{Chunk, DecodeStatus, Decoder, InputState, RecordCounts};
use sparkify::generate::{GenerateOptions, Summary, generate};
use sparkify::star::lookup::{
    ArtistIds, LOOKUP_SHARDS, LookupShard, SongIds, SongLookup, hash_keys,
};
use sparkify::star::records::{EventBatch, SongBatch};
use sparkify::star::schema::{EVENT_RECORD, SONG_RECORD};
use sparkify::star::users::UserDelta;
use tempfile::TempDir;

/// A few megabytes: they outgrow the second-level cache, as real input does.
pub const SMALL_INPUT: GenerateOptions = GenerateOptions {
    events: 20_000,
    songs: 5_000,
    users: 2_000,
    files: 4,
    seed: 3,
    edge_cases: false,
};

/// Nearly as many events as one worker takes at a time.
pub const SPLIT_INPUT: GenerateOptions = GenerateOptions {
    events: 50_000,
    users: 5_000,
    ..SMALL_INPUT
};

/// Songs and logs in files, which go when this goes.
pub struct GeneratedInput {
    folder: TempDir,
    /// What was made.
    pub summary: Summary,
}

impl GeneratedInput {
    /// Makes them.
    pub fn new(options: &GenerateOptions) -> Self {
        let folder = folder();
        let summary = generate(folder.path(), options, &mut |_, _| {}).unwrap();
        Self { folder, summary }
    }

    /// The folder of songs.
    pub fn songs(&self) -> PathBuf {
        self.folder.path().join("song_data")
    }

    /// The folder of logs.
    pub fn logs(&self) -> PathBuf {
        self.folder.path().join("log_data")
    }
}

/// A folder for some megabytes, in memory where the system has such a place. It goes when this goes.
pub fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// All input files below a folder, one after the other.
pub fn read_json_files(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    append_json_files(folder, &mut all);
    all
}

fn append_json_files(folder: &Path, to: &mut Vec<u8>) {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            append_json_files(&path, to);
        } else if path.extension().is_some_and(|e| e == "json") {
            to.extend(fs::read(&path).unwrap());
            to.push(b'\n');
        }
    }
}

/// The lines that hold anything.
pub fn non_empty_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b'\n').filter(|line| !line.is_empty())
}

/// A decoder whose batches are as large as the engine's.
pub fn new_decoder(schema: &'static RecordSchema) -> Decoder {
    Decoder::new(schema, Sizes::default().row_group_rows)
}

/// The bytes as the decoder wants them.
pub fn with_padding(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend([0; PADDING]);
    bytes
}

/// Decodes `padded` as one chunk, gives its batches to `sink`, and says what became of the records.
pub fn decode_all(
    decoder: &mut Decoder,
    padded: &[u8],
    mut sink: impl FnMut(RecordBatch),
) -> RecordCounts {
    let len = padded.len() - PADDING;
    let mut at = 0;
    decoder.begin_segment(None);
    loop {
        let chunk = Chunk {
            padded: &padded[at..],
            len: len - at,
            offset: at as u64,
            input_state: InputState::Eof,
        };
        let progress = decoder.decode(chunk, u64::MAX);
        at += progress.consumed;
        sink(decoder.finish().unwrap());
        if progress.status == DecodeStatus::SegmentEnd {
            return decoder.take_counts();
        }
    }
}

/// The batches of a decoder.
pub fn decode_batches(mut decoder: Decoder, bytes: Vec<u8>) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    decode_all(&mut decoder, &with_padding(bytes), |batch| {
        batches.push(batch)
    });
    batches
}

/// The kept events of a log, in one batch.
pub fn decode_events(log: Vec<u8>) -> RecordBatch {
    decode_batches(new_decoder(&EVENT_RECORD), log).remove(0)
}

/// The same, as the star takes them.
pub fn event_batch(events: &RecordBatch) -> EventBatch {
    EventBatch::new(events).unwrap()
}

/// Song records, as the star takes them.
pub fn decode_songs(songs: Vec<u8>) -> Vec<SongBatch> {
    let batches = decode_batches(new_decoder(&SONG_RECORD), songs);
    let taken = batches.iter().map(SongBatch::new);
    taken.collect::<Result<_, _>>().unwrap()
}

/// The users of a split's events.
pub fn user_delta(events: &EventBatch) -> UserDelta {
    let mut seen = UserDelta::default();
    seen.add(events);
    seen
}

/// The distinct start times of events, in rising order.
pub fn start_times(events: &EventBatch) -> Vec<i64> {
    let mut times = events.ts().to_vec();
    times.sort_unstable();
    times.dedup();
    times
}

/// How much one iteration does.
pub fn throughput(rows: u64, bytes: u64) -> Throughput {
    Throughput::ElementsAndBytes {
        elements: rows,
        bytes,
    }
}

/// The lookup of all songs, shard after shard.
pub fn build_lookup(batches: &[SongBatch]) -> SongLookup {
    let hashes: Vec<_> = batches.iter().map(hash_keys).collect();
    let shard = |number| LookupShard::new(batches, &hashes, number).unwrap();
    let shards: Vec<LookupShard> = (0..LOOKUP_SHARDS).map(shard).collect();
    let songs = SongIds::new(batches, &shards).unwrap();
    let artists = ArtistIds::new(batches, &shards).unwrap();
    SongLookup::new(songs, artists, shards)
}
