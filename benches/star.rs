//! Measures the computation of table rows from decoded records on one core, in records: the work per batch of
//! events, and the work per run.
//!
//! `cargo bench --bench star`

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::hint::black_box;

use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use sparkify::generate::GenerateOptions;
use sparkify::internals::decode::Decoder;
use sparkify::internals::model::sparkify::EVENT_RECORD;
use sparkify::internals::star::song_lookup::SongLookup;
use sparkify::internals::star::songplays::{build_songplays, compute_songplay_ids};
use sparkify::internals::star::songs_and_artists::{build_artists, build_songs};
use sparkify::internals::star::time_dimension::build_time;
use sparkify::internals::star::typed_batches::{EventBatch, SongBatch};
use sparkify::internals::star::users::{LatestUsers, UserDelta};

use support::{
    GeneratedInput, SMALL_INPUT, SPLIT_INPUT, build_lookup, decode_batches, decode_events,
    decode_songs, event_batch, read_json_files, start_times, user_delta,
};

/// The events of a batch whose users are merged with those of other batches.
const MERGE_BATCH_ROWS: usize = 5_000;

/// The number of states that the users are partitioned into, as in the pipeline.
const SHARDS: usize = 8;

fn bench_records<T>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    records: usize,
    mut work: impl FnMut() -> T,
) {
    group.throughput(Throughput::Elements(records as u64));
    group.bench_function(name, |b| b.iter(&mut work));
}

/// Returns the events that match a song.
fn events_with_song(batch: &RecordBatch, lookup: &SongLookup) -> EventBatch {
    let events = event_batch(batch);
    let songs = lookup
        .match_songs(&events, &compute_songplay_ids(&events))
        .unwrap();
    let songs = songs.song_id;
    let has_song: BooleanArray = (0..songs.len()).map(|row| songs.is_valid(row)).collect();
    event_batch(&filter_record_batch(batch, &has_song).unwrap())
}

fn bench_songplays(c: &mut Criterion, batch: &RecordBatch, lookup: &SongLookup) {
    // The songs of another catalog.
    let other_input = GeneratedInput::new(&GenerateOptions {
        seed: 4,
        ..SMALL_INPUT
    });
    let other_songs = build_lookup(&decode_songs(read_json_files(&other_input.songs())));
    let all = event_batch(batch);
    let cases = [
        ("no song matched", &all, &other_songs),
        ("1 song in 4 matched", &all, lookup),
        (
            "every song matched",
            &events_with_song(batch, lookup),
            lookup,
        ),
    ];
    let mut group = c.benchmark_group("songplays");
    for (name, events, lookup) in cases {
        bench_records(&mut group, name, events.num_rows(), || {
            let events = black_box(events);
            build_songplays(events, compute_songplay_ids(events), &[], lookup).unwrap()
        });
    }
}

fn merge_users(deltas: &[UserDelta]) -> Vec<LatestUsers> {
    let mut states = vec![LatestUsers::default(); SHARDS];
    for delta in deltas {
        let mut delta = delta.clone();
        let shards = delta.drain_shards(SHARDS);
        for (state, shard) in states.iter_mut().zip(&shards) {
            state.merge(&delta, shard);
        }
    }
    states
}

fn bench_users(c: &mut Criterion, log: Vec<u8>) {
    let batches = decode_batches(Decoder::new(&EVENT_RECORD, MERGE_BATCH_ROWS), log);
    let batches: Vec<_> = batches.iter().map(event_batch).collect();
    let rows = batches.iter().map(EventBatch::num_rows).sum();
    let collect_deltas =
        || -> Vec<UserDelta> { black_box(&batches).iter().map(user_delta).collect() };
    let deltas = collect_deltas();
    let states = merge_users(&deltas);
    let users = LatestUsers::build_tables(&states).unwrap()[0].num_rows();

    let mut group = c.benchmark_group("users");
    bench_records(&mut group, "add, events", rows, collect_deltas);
    bench_records(&mut group, "merge, events", rows, || {
        merge_users(black_box(&deltas))
    });
    bench_records(&mut group, "table, users", users, || {
        LatestUsers::build_tables(black_box(&states)).unwrap()
    });
}

fn bench_dimensions(c: &mut Criterion, times: &[i64], batches: &[SongBatch]) {
    let records = batches.iter().map(SongBatch::num_rows).sum();
    let mut group = c.benchmark_group("dimensions");
    bench_records(&mut group, "time", times.len(), || {
        build_time(black_box(times)).unwrap()
    });
    bench_records(&mut group, "songs", records, || {
        build_songs(black_box(batches)).unwrap()
    });
    bench_records(&mut group, "artists", records, || {
        build_artists(black_box(batches)).unwrap()
    });
    bench_records(&mut group, "song lookup", records, || {
        build_lookup(black_box(batches))
    });
}

fn bench(c: &mut Criterion) {
    let files = GeneratedInput::new(&SPLIT_INPUT);
    let log = read_json_files(&files.logs());
    let songs = decode_songs(read_json_files(&files.songs()));
    let events = decode_events(log.clone());
    bench_songplays(c, &events, &build_lookup(&songs));
    bench_users(c, log);
    bench_dimensions(c, &start_times(&event_batch(&events)), &songs);
}

criterion_group!(benches, bench);
criterion_main!(benches);
