//! Decoded records to the rows of the star on one core, in records: what a worker does with a batch
//! of events, and what is made once a run.
//!
//! `cargo bench --bench star`

#![allow(clippy::unwrap_used, missing_docs)]

mod input;

use std::hint::black_box;

use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use sparkify::decode::Decoder;
use sparkify::generate::GenerateOptions;
use sparkify::star::lookup::SongLookup;
use sparkify::star::records::{EventBatch, SongBatch};
use sparkify::star::schema::EVENT_RECORD;
use sparkify::star::songplays::{songplay_ids, songplays};
use sparkify::star::songs::{artists, songs};
use sparkify::star::time::time;
use sparkify::star::users::{LatestUsers, UserDelta};

use input::{
    Files, SMALL, SPLIT, batches, event_batch, events, make_lookup, read, seen, song_batches, times,
};

/// Events of a batch whose users are merged with those of others.
const MERGED: usize = 5_000;

/// States that share the users, as in the pipeline.
const SHARDS: usize = 8;

fn measure<T>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    records: usize,
    mut work: impl FnMut() -> T,
) {
    group.throughput(Throughput::Elements(records as u64));
    group.bench_function(name, |b| b.iter(&mut work));
}

/// The events whose song is known.
fn known(batch: &RecordBatch, lookup: &SongLookup) -> EventBatch {
    let events = event_batch(batch);
    let songs = lookup.match_songs(&events, &songplay_ids(&events)).unwrap();
    let songs = songs.song_id;
    let known: BooleanArray = (0..songs.len()).map(|row| songs.is_valid(row)).collect();
    event_batch(&filter_record_batch(batch, &known).unwrap())
}

fn bench_songplays(c: &mut Criterion, batch: &RecordBatch, lookup: &SongLookup) {
    // The songs of another catalogue.
    let others = Files::new(&GenerateOptions { seed: 4, ..SMALL });
    let others = make_lookup(&song_batches(read(&others.songs())));
    let all = event_batch(batch);
    let cases = [
        ("no song known", &all, &others),
        ("1 song in 4 known", &all, lookup),
        ("every song known", &known(batch, lookup), lookup),
    ];
    let mut group = c.benchmark_group("songplays");
    for (name, events, lookup) in cases {
        measure(&mut group, name, events.rows(), || {
            let events = black_box(events);
            songplays(events, songplay_ids(events), &[], lookup).unwrap()
        });
    }
}

fn merge(all: &[UserDelta]) -> Vec<LatestUsers> {
    let mut states = vec![LatestUsers::default(); SHARDS];
    for seen in all {
        let mut seen = seen.clone();
        let shards = seen.take_shards(SHARDS);
        for (state, shard) in states.iter_mut().zip(&shards) {
            state.merge(&seen, shard);
        }
    }
    states
}

fn bench_users(c: &mut Criterion, log: Vec<u8>) {
    let batches = batches(Decoder::new(&EVENT_RECORD, MERGED), log);
    let batches: Vec<_> = batches.iter().map(event_batch).collect();
    let rows = batches.iter().map(EventBatch::rows).sum();
    let see = || -> Vec<UserDelta> { black_box(&batches).iter().map(seen).collect() };
    let all = see();
    let states = merge(&all);
    let users = LatestUsers::tables(&states).unwrap()[0].num_rows();

    let mut group = c.benchmark_group("users");
    measure(&mut group, "add, events", rows, see);
    measure(&mut group, "merge, events", rows, || merge(black_box(&all)));
    measure(&mut group, "table, users", users, || {
        LatestUsers::tables(black_box(&states)).unwrap()
    });
}

fn bench_dimensions(c: &mut Criterion, times: &[i64], batches: &[SongBatch]) {
    let records = batches.iter().map(SongBatch::rows).sum();
    let mut group = c.benchmark_group("dimensions");
    measure(&mut group, "time", times.len(), || {
        time(black_box(times)).unwrap()
    });
    measure(&mut group, "songs", records, || {
        songs(black_box(batches)).unwrap()
    });
    measure(&mut group, "artists", records, || {
        artists(black_box(batches)).unwrap()
    });
    measure(&mut group, "song lookup", records, || {
        make_lookup(black_box(batches))
    });
}

fn bench(c: &mut Criterion) {
    let files = Files::new(&SPLIT);
    let log = read(&files.logs());
    let songs = song_batches(read(&files.songs()));
    let events = events(log.clone());
    bench_songplays(c, &events, &make_lookup(&songs));
    bench_users(c, log);
    bench_dimensions(c, &times(&event_batch(&events)), &songs);
}

criterion_group!(benches, bench);
criterion_main!(benches);
