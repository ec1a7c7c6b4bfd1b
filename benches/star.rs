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
use sparkify::internals::star::{Lookup, PickDelta, PickedRows, RecordColumns, StarKernels};

use support::{
    GeneratedInput, SMALL_INPUT, SPLIT_INPUT, build_lookup, decode_batches, decode_events,
    decode_songs, event_columns, kernels, read_json_files, start_times, user_delta,
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
fn events_with_song(kernels: &StarKernels, batch: &RecordBatch, lookup: &Lookup) -> RecordColumns {
    let events = event_columns(batch);
    let ids = kernels.fact.compute_ids(&events);
    let rows = kernels.fact.build(&events, ids, &[], lookup).unwrap().fact;
    let songs = &rows["song_id"];
    let has_song: BooleanArray = (0..songs.len()).map(|row| songs.is_valid(row)).collect();
    event_columns(&filter_record_batch(batch, &has_song).unwrap())
}

fn bench_songplays(c: &mut Criterion, kernels: &StarKernels, batch: &RecordBatch, lookup: &Lookup) {
    // The songs of another catalog.
    let other_input = GeneratedInput::new(&GenerateOptions {
        seed: 4,
        ..SMALL_INPUT
    });
    let other_songs = decode_songs(read_json_files(&other_input.songs()));
    let other_lookup = build_lookup(kernels, &other_songs);
    let all = event_columns(batch);
    let cases = [
        ("no song matched", &all, &other_lookup),
        ("1 song in 4 matched", &all, lookup),
        (
            "every song matched",
            &events_with_song(kernels, batch, lookup),
            lookup,
        ),
    ];
    let mut group = c.benchmark_group("songplays");
    for (name, events, lookup) in cases {
        bench_records(&mut group, name, events.num_rows(), || {
            let events = black_box(events);
            let ids = kernels.fact.compute_ids(events);
            kernels.fact.build(events, ids, &[], lookup).unwrap()
        });
    }
}

fn merge_users(kernels: &StarKernels, deltas: &[PickDelta]) -> Vec<PickedRows> {
    let kernel = &kernels.event_picks[0];
    let mut states = vec![PickedRows::default(); SHARDS];
    for delta in deltas {
        let shards = delta.to_shards(kernel, SHARDS);
        for (state, shard) in states.iter_mut().zip(&shards) {
            state.merge(kernel, delta, shard);
        }
    }
    states
}

fn bench_users(c: &mut Criterion, kernels: &StarKernels, log: Vec<u8>) {
    let kernel = &kernels.event_picks[0];
    let batches = decode_batches(Decoder::new(&EVENT_RECORD, MERGE_BATCH_ROWS), log);
    let batches: Vec<_> = batches.iter().map(event_columns).collect();
    let rows = batches.iter().map(RecordColumns::num_rows).sum();
    let collect_deltas = || -> Vec<PickDelta> {
        let batches = black_box(&batches).iter();
        batches.map(|events| user_delta(kernels, events)).collect()
    };
    let deltas = collect_deltas();
    let states = merge_users(kernels, &deltas);
    let tables = PickedRows::build_tables(kernel, &states).unwrap();
    let users = tables[0].rows.num_rows();

    let mut group = c.benchmark_group("users");
    bench_records(&mut group, "add, events", rows, collect_deltas);
    bench_records(&mut group, "merge, events", rows, || {
        merge_users(kernels, black_box(&deltas))
    });
    bench_records(&mut group, "table, users", users, || {
        PickedRows::build_tables(kernel, black_box(&states)).unwrap()
    });
}

fn bench_dimensions(
    c: &mut Criterion,
    kernels: &StarKernels,
    times: &[i64],
    batches: &[RecordColumns],
) {
    let records = batches.iter().map(RecordColumns::num_rows).sum();
    let mut group = c.benchmark_group("dimensions");
    bench_records(&mut group, "time", times.len(), || {
        kernels.calendar.build(black_box(times)).unwrap()
    });
    for kernel in &kernels.lookup_picks {
        let name = kernel.table.name;
        bench_records(&mut group, name, records, || {
            kernel.pick(black_box(batches)).unwrap()
        });
    }
    bench_records(&mut group, "song lookup", records, || {
        build_lookup(kernels, black_box(batches))
    });
}

fn bench(c: &mut Criterion) {
    let kernels = kernels();
    let files = GeneratedInput::new(&SPLIT_INPUT);
    let log = read_json_files(&files.logs());
    let songs = decode_songs(read_json_files(&files.songs()));
    let events = decode_events(log.clone());
    let times = start_times(&kernels, &event_columns(&events));
    bench_songplays(c, &kernels, &events, &build_lookup(&kernels, &songs));
    bench_users(c, &kernels, log);
    bench_dimensions(c, &kernels, &times, &songs);
}

criterion_group!(benches, bench);
criterion_main!(benches);
