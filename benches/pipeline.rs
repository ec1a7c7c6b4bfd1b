//! Measures complete runs, from files to a published dataset, on one thread and on all, in records and bytes
//! of input. Input and output are in memory where the system has a directory there, because the engine is
//! measured, not the disk.
//!
//! `cargo bench --bench pipeline`

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::path::Path;
use std::thread::available_parallelism;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use sparkify::config::Location;
use sparkify::config::{IoSizes, MaxRejects, RunConfig};
use sparkify::generate::GenerateOptions;
use sparkify::jobs::RunJob;
use sparkify::observer::WarningCollector;
use sparkify::report::RunReport;
use tempfile::TempDir;

use support::{GeneratedInput, SPLIT_INPUT, temp_dir, throughput};

/// An input this small would be one split, which occupies one thread. Smaller splits occupy several.
const SPLIT_BYTES: u64 = 2 << 20;

fn run_pipeline(files: &GeneratedInput, out: &Path, threads: usize) -> RunReport {
    let config = RunConfig {
        threads,
        max_rejects: MaxRejects::Count(0),
        allow_empty: true,
        sizes: IoSizes {
            split_bytes: Some(SPLIT_BYTES),
            ..IoSizes::default()
        },
        ..RunConfig::new(
            Location::Local(files.songs()),
            Location::Local(files.logs()),
            Location::Local(out.join("dataset")),
        )
    };
    RunJob { config, load: None }
        .execute(&WarningCollector::default())
        .unwrap()
        .report
}

fn bench(c: &mut Criterion) {
    let files = GeneratedInput::new(&GenerateOptions {
        songs: 500,
        ..SPLIT_INPUT
    });
    let (songs, logs) = (&files.summary.songs.input, &files.summary.logs.input);
    let mut threads = vec![1, available_parallelism().unwrap().get()];
    threads.dedup();

    let mut group = c.benchmark_group("pipeline");
    group.throughput(throughput(
        songs.records + logs.records,
        songs.bytes + logs.bytes,
    ));
    for threads in threads {
        group.bench_function(BenchmarkId::new("threads", threads), |b| {
            // The directory is part of the returned value, so that its removal is not measured.
            let run = |out: TempDir| (run_pipeline(&files, out.path(), threads), out);
            b.iter_batched(temp_dir, run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
