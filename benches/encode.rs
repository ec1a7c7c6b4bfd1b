//! Measures the encoding of table rows to Parquet parts on one core, in rows and in bytes of Parquet. The
//! parts are written to memory where the system has a directory there.
//!
//! `cargo bench --bench encode`

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::hint::black_box;

use arrow_array::RecordBatch;
use criterion::{Criterion, criterion_group, criterion_main};
use sparkify::config::ParquetCompression;
use sparkify::internals::output::{PartInfo, PartWriter};
use sparkify::internals::star::{Lookup, PickedRows, RecordColumns, StarKernels};
use sparkify::internals::storage::{LocalStore, Store};

use support::log_variants::unique_user_agents;
use support::{
    GeneratedInput, SPLIT_INPUT, build_lookup, decode_events, decode_songs, event_columns, kernels,
    read_json_files, start_times, temp_dir, throughput, user_delta,
};

fn songplay_rows(kernels: &StarKernels, events: &RecordColumns, lookup: &Lookup) -> RecordBatch {
    let ids = kernels.fact.compute_ids(events);
    let rows = kernels.fact.build(events, ids, &[], lookup);
    rows.unwrap().fact
}

fn user_rows(kernels: &StarKernels, events: &RecordColumns) -> RecordBatch {
    let kernel = &kernels.event_picks[0];
    let (delta, mut users) = (user_delta(kernels, events), PickedRows::default());
    users.merge(kernel, &delta, &delta.to_shards(kernel, 1)[0]);
    let tables = PickedRows::build_tables(kernel, &[users]);
    tables.unwrap().swap_remove(0).rows
}

/// The name of the file, which is overwritten in each iteration.
const PART_NAME: &str = "part.parquet";

/// Returns the tables of the events of one split and of all songs.
fn tables() -> Vec<(&'static str, RecordBatch)> {
    let files = GeneratedInput::new(&SPLIT_INPUT);
    let log = read_json_files(&files.logs());
    let kernels = kernels();
    let distinct = event_columns(&decode_events(unique_user_agents(&log)));
    let events = event_columns(&decode_events(log));
    let batches = decode_songs(read_json_files(&files.songs()));
    let lookup = build_lookup(&kernels, &batches);
    let times = start_times(&kernels, &events);
    let mut tables = vec![
        ("songplays", songplay_rows(&kernels, &events, &lookup)),
        (
            "songplays, unique user agents",
            songplay_rows(&kernels, &distinct, &lookup),
        ),
        ("time", kernels.calendar.build(&times).unwrap()),
        ("users", user_rows(&kernels, &events)),
    ];
    for kernel in &kernels.lookup_picks {
        let picked = kernel.pick(&batches).unwrap().swap_remove(0);
        tables.push((picked.table.name, picked.rows));
    }
    tables
}

fn write_part(store: &dyn Store, rows: &RecordBatch) -> PartInfo {
    let file = store.create(PART_NAME).unwrap();
    let (name, codec) = (PART_NAME.to_owned(), ParquetCompression::default());
    let mut writer = PartWriter::new(file, name, 0, rows.schema(), codec).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap()
}

fn bench(c: &mut Criterion) {
    let dir = temp_dir();
    let store = LocalStore::new(dir.path()).unwrap();
    let mut group = c.benchmark_group("encode");
    for (name, rows) in tables() {
        let written = write_part(&store, &rows);
        group.throughput(throughput(written.rows, written.bytes));
        group.bench_function(name, |b| b.iter(|| write_part(&store, black_box(&rows))));
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
