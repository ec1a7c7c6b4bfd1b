//! JSON to Arrow columns on one core, in bytes of JSON: log lines of the ordinary shape and of the
//! shapes that leave the fast path, and other parsers on the same lines.
//!
//! `cargo bench --bench decode`

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::hint::black_box;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sparkify::decode::scan::PADDING;
use sparkify::decode::schema::RecordSchema;
use sparkify::decode::{Chunk, Decoder, Rest, Stop};
use sparkify::generate::{Options, generate};
use sparkify::star::schema::{EVENT_RECORD, SONG_RECORD};

/// All input files below a folder, one after the other.
fn read(folder: &Path, to: &mut Vec<u8>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            read(&path, to);
        } else if path.extension().is_some_and(|e| e == "json") {
            to.extend(fs::read(&path).unwrap());
            to.push(b'\n');
        }
    }
}

/// Songs and logs from a seed.
fn input(awkward: bool) -> (Vec<u8>, Vec<u8>) {
    let out = tempfile::tempdir().unwrap();
    let options = Options {
        events: 20_000,
        songs: 5_000,
        users: 2_000,
        files: 4,
        seed: 3,
        awkward,
    };
    generate(out.path(), &options, &mut |_, _| {}).unwrap();
    let (mut songs, mut logs) = (Vec::new(), Vec::new());
    read(&out.path().join("song_data"), &mut songs);
    read(&out.path().join("log_data"), &mut logs);
    (songs, logs)
}

/// Decodes everything in chunks of the size that the engine uses; gives the number of rows.
fn decode(decoder: &mut Decoder, padded: &[u8]) -> usize {
    let len = padded.len() - PADDING;
    let (mut at, mut rows) = (0, 0);
    decoder.begin_segment();
    loop {
        let chunk = Chunk {
            padded: &padded[at..],
            len: len - at,
            offset: at as u64,
            rest: Rest::End,
        };
        let progress = decoder.decode(chunk, u64::MAX);
        at += progress.consumed;
        rows += decoder.finish().unwrap().num_rows();
        black_box(decoder.take_rejects());
        if progress.stop == Stop::Done {
            return rows;
        }
    }
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend([0; PADDING]);
    bytes
}

/// The log with the members of each record in another order each time.
fn shuffled(logs: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (n, line) in logs
        .split(|&b| b == b'\n')
        .filter(|l| !l.is_empty())
        .enumerate()
    {
        let record: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(line).unwrap();
        let mut members: Vec<_> = record.into_iter().collect();
        let by = n % members.len();
        members.rotate_left(by);
        let members: Vec<_> = members
            .iter()
            .map(|(k, v)| format!("\"{k}\":{v}"))
            .collect();
        out.extend(format!("{{{}}}\n", members.join(",")).into_bytes());
    }
    out
}

fn bench(c: &mut Criterion) {
    let (songs, logs) = input(false);
    let (_, awkward) = input(true);
    let unicode = String::from_utf8(logs.clone()).unwrap();
    let unicode = unicode
        .replace("\"firstName\":\"", "\"firstName\":\"Zoë ")
        .into_bytes();
    let shuffled = shuffled(&logs);
    let cases: [(&str, &'static RecordSchema, Vec<u8>); 5] = [
        ("log", &EVENT_RECORD, logs.clone()),
        ("log, unicode", &EVENT_RECORD, unicode),
        ("log, keys out of order", &EVENT_RECORD, shuffled),
        ("log, awkward", &EVENT_RECORD, awkward),
        ("songs", &SONG_RECORD, songs),
    ];
    let mut group = c.benchmark_group("decode");
    for (name, schema, bytes) in cases {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        let bytes = padded(bytes);
        let mut decoder = Decoder::new(schema, 256 * 1024);
        group.bench_function(BenchmarkId::new("sparkify", name), |b| {
            b.iter(|| decode(&mut decoder, black_box(&bytes)));
        });
    }
    group.throughput(Throughput::Bytes(logs.len() as u64));
    group.bench_function(
        BenchmarkId::new("simd-json tape, nothing read", "log"),
        |b| {
            let mut buffers = simd_json::Buffers::new(logs.len());
            let mut line = Vec::new();
            b.iter(|| {
                for record in black_box(&logs)
                    .split(|&b| b == b'\n')
                    .filter(|l| !l.is_empty())
                {
                    // It decodes in place, so it needs a copy.
                    line.clear();
                    line.extend_from_slice(record);
                    black_box(simd_json::to_tape_with_buffers(&mut line, &mut buffers).unwrap());
                }
            });
        },
    );
    group.bench_function(BenchmarkId::new("serde_json, nothing kept", "log"), |b| {
        b.iter(|| {
            for record in black_box(&logs)
                .split(|&b| b == b'\n')
                .filter(|l| !l.is_empty())
            {
                black_box(serde_json::from_slice::<serde::de::IgnoredAny>(record).unwrap());
            }
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
