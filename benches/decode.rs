//! Measures the decoding of JSON to Arrow columns on one core, in records and in bytes of JSON: ordinary log
//! lines, variants that leave the fast path, songs, and other parsers on the same lines. A variant with
//! longer records is best compared by records.
//!
//! `cargo bench --bench decode`

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use serde::de::IgnoredAny;
use sparkify::generate::GenerateOptions;
use sparkify::internals::model::RecordSchema;
use sparkify::internals::model::sparkify::{EVENT_RECORD, SONG_RECORD};

use support::log_variants::{LOG_VARIANTS, with_rejects};
use support::{
    GeneratedInput, SMALL_INPUT, decode_all, new_decoder, non_empty_lines, read_json_files,
    throughput, with_padding,
};

/// The records of a benchmark.
struct DecodeCase {
    name: String,
    schema: &'static RecordSchema,
    bytes: Vec<u8>,
    /// Whether the decoder rejects some of the records.
    has_rejects: bool,
}

impl DecodeCase {
    fn log(name: &str, bytes: Vec<u8>, has_rejects: bool) -> Self {
        let schema = &EVENT_RECORD;
        Self {
            name: name.to_owned(),
            schema,
            bytes,
            has_rejects,
        }
    }
}

fn cases(files: &GeneratedInput, log: &[u8]) -> Vec<DecodeCase> {
    let edge_cases = GeneratedInput::new(&GenerateOptions {
        edge_cases: true,
        ..SMALL_INPUT
    });
    let mut cases = vec![DecodeCase::log("log", log.to_vec(), false)];
    cases.extend(
        LOG_VARIANTS
            .map(|(name, variant)| DecodeCase::log(&format!("log, {name}"), variant(log), false)),
    );
    cases.push(DecodeCase::log(
        "log, 1 play in 10 rejected",
        with_rejects(log),
        true,
    ));
    cases.push(DecodeCase::log(
        "log, edge cases",
        read_json_files(&edge_cases.logs()),
        true,
    ));
    cases.push(DecodeCase {
        name: "songs".to_owned(),
        schema: &SONG_RECORD,
        bytes: read_json_files(&files.songs()),
        has_rejects: false,
    });
    cases
}

fn bench_sparkify(group: &mut BenchmarkGroup<'_, WallTime>, case: DecodeCase) {
    let mut decoder = new_decoder(case.schema);
    let len = case.bytes.len() as u64;
    let bytes = with_padding(case.bytes);
    let counts = decode_all(&mut decoder, &bytes, drop);
    assert_eq!(counts.rejected > 0, case.has_rejects, "{}", case.name);
    decoder.take_rejects();
    group.throughput(throughput(counts.records, len));
    group.bench_function(BenchmarkId::new("sparkify", case.name), |b| {
        b.iter(|| {
            decode_all(&mut decoder, black_box(&bytes), |batch| {
                black_box(batch);
            });
            decoder.take_rejects()
        });
    });
}

fn bench_other_parsers(group: &mut BenchmarkGroup<'_, WallTime>, log: &[u8]) {
    group.throughput(throughput(
        non_empty_lines(log).count() as u64,
        log.len() as u64,
    ));
    let simd_json = BenchmarkId::new("simd-json tape, no values read", "log");
    group.bench_function(simd_json, |b| {
        let mut buffers = simd_json::Buffers::new(log.len());
        let mut line = Vec::new();
        b.iter(|| {
            for record in non_empty_lines(black_box(log)) {
                // simd-json decodes in place, so it needs a copy.
                line.clear();
                line.extend_from_slice(record);
                black_box(simd_json::to_tape_with_buffers(&mut line, &mut buffers).unwrap());
            }
        });
    });
    let serde_json = BenchmarkId::new("serde_json, no values kept", "log");
    group.bench_function(serde_json, |b| {
        b.iter(|| {
            for record in non_empty_lines(black_box(log)) {
                black_box(serde_json::from_slice::<IgnoredAny>(record).unwrap());
            }
        });
    });
}

fn bench(c: &mut Criterion) {
    let files = GeneratedInput::new(&SMALL_INPUT);
    let log = read_json_files(&files.logs());
    let mut group = c.benchmark_group("decode");
    for case in cases(&files, &log) {
        bench_sparkify(&mut group, case);
    }
    bench_other_parsers(&mut group, &log);
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
