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
use sparkify::internals::star::song_lookup::SongLookup;
use sparkify::internals::star::songplays::{build_songplays, compute_songplay_ids};
use sparkify::internals::star::songs_and_artists::{build_artists, build_songs};
use sparkify::internals::star::time_dimension::build_time;
use sparkify::internals::star::typed_batches::EventBatch;
use sparkify::internals::star::users::LatestUsers;
use sparkify::internals::storage::{LocalStore, Store};

use support::log_variants::unique_user_agents;
use support::{
    GeneratedInput, SPLIT_INPUT, build_lookup, decode_events, decode_songs, event_batch,
    read_json_files, start_times, temp_dir, throughput, user_delta,
};

fn songplay_rows(events: &EventBatch, lookup: &SongLookup) -> RecordBatch {
    build_songplays(events, compute_songplay_ids(events), &[], lookup)
        .unwrap()
        .songplays
}

fn user_rows(events: &EventBatch) -> RecordBatch {
    let (mut delta, mut users) = (user_delta(events), LatestUsers::default());
    let shards = delta.drain_shards(1);
    users.merge(&delta, &shards[0]);
    let [users, _] = LatestUsers::build_tables([&users]).unwrap();
    users
}

/// The name of the file, which is overwritten in each iteration.
const PART_NAME: &str = "part.parquet";

/// Returns the tables of the events of one split and of all songs.
fn tables() -> Vec<(&'static str, RecordBatch)> {
    let files = GeneratedInput::new(&SPLIT_INPUT);
    let log = read_json_files(&files.logs());
    let distinct = event_batch(&decode_events(unique_user_agents(&log)));
    let events = event_batch(&decode_events(log));
    let batches = decode_songs(read_json_files(&files.songs()));
    let lookup = build_lookup(&batches);
    vec![
        ("songplays", songplay_rows(&events, &lookup)),
        (
            "songplays, unique user agents",
            songplay_rows(&distinct, &lookup),
        ),
        ("time", build_time(&start_times(&events)).unwrap()),
        ("users", user_rows(&events)),
        ("songs", build_songs(&batches).unwrap()),
        ("artists", build_artists(&batches).unwrap()[0].clone()),
    ]
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
