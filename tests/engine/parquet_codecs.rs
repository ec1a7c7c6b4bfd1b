//! Every codec of the Parquet files: the rows are the same, and the metadata names the codec.

use std::fs::File;
use std::path::Path;

use clap::ValueEnum;
use parquet::basic::Compression as Codec;
use parquet::file::reader::{FileReader, SerializedFileReader};
use sparkify::config::ParquetCompression;
use sparkify::config::RunConfig;
use sparkify::generate::{GenerateOptions, generate};
use sparkify::internals::model::sparkify::SPARKIFY;
use sparkify::jobs::RunJob;
use sparkify::observer::WarningCollector;
use sparkify::report::RunReport;
use tempfile::TempDir;

use crate::harness::{
    RunOptions, TestInput, deterministic_files, event, run_and_compare, run_config,
};
use crate::read_output;

/// Runs the pipeline with this codec.
fn run_with_codec(
    input: &Path,
    out: &Path,
    threads: usize,
    compression: ParquetCompression,
) -> RunReport {
    let (songs, logs) = (input.join("song_data"), input.join("log_data"));
    let setting = RunOptions {
        threads,
        ..RunOptions::default()
    };
    let config = RunConfig {
        compression,
        ..run_config(&songs, &logs, out, setting, Default::default())
    };
    RunJob { config, load: None }
        .execute(&WarningCollector::default())
        .unwrap()
        .report()
        .clone()
}

/// Returns the table, column and codec of every column chunk of an output.
fn column_codecs(out: &Path) -> Vec<(&'static str, String, Codec)> {
    let mut found = Vec::new();
    for table in SPARKIFY.dataset_tables() {
        for file in read_output::list_dir(&out.join(table.dir)) {
            let reader = SerializedFileReader::new(File::open(file).unwrap()).unwrap();
            for group in reader.metadata().row_groups() {
                for column in group.columns() {
                    let name = column.column_path().string();
                    found.push((table.name, name, column.compression()));
                }
            }
        }
    }
    found
}

/// Returns whether a codec of the metadata is this one, at any level.
fn codec_matches(codec: Codec, compression: ParquetCompression) -> bool {
    matches!(
        (codec, compression),
        (Codec::SNAPPY, ParquetCompression::Snappy)
            | (Codec::ZSTD(_), ParquetCompression::Zstd)
            | (Codec::GZIP(_), ParquetCompression::Gzip)
            | (Codec::UNCOMPRESSED, ParquetCompression::None)
    )
}

#[test]
fn every_codec_round_trips() {
    let root = TempDir::new().unwrap();
    let data = root.path().join("data");
    let options = GenerateOptions {
        events: 20_000,
        songs: 400,
        users: 300,
        files: 5,
        seed: 11,
        edge_cases: true,
    };
    generate(&data, &options, &mut |_, _| {}).unwrap();
    let (songs, logs) = (data.join("song_data"), data.join("log_data"));
    let expected = run_and_compare(&songs, &logs, RunOptions::default()).reference;
    let mut sizes = Vec::new();
    for &compression in ParquetCompression::value_variants() {
        let out = root.path().join(compression.as_str());
        let report = run_with_codec(&data, &out, 2, compression);
        assert_eq!(report.compression, compression);
        assert!(
            read_output::songplays(&out) == expected.songplays,
            "{compression}"
        );
        assert!(read_output::users(&out) == expected.users, "{compression}");
        assert!(read_output::songs(&out) == expected.songs, "{compression}");
        assert!(
            read_output::artists(&out) == expected.artists,
            "{compression}"
        );
        assert!(read_output::time(&out) == expected.time, "{compression}");

        for (table, column, codec) in column_codecs(&out) {
            let is_expected = codec_matches(codec, compression) || codec == Codec::UNCOMPRESSED;
            assert!(is_expected, "{compression}: {table}.{column} is {codec}");
        }
        let is_compressed = column_codecs(&out)
            .into_iter()
            .any(|(_, _, codec)| codec_matches(codec, compression));
        assert!(is_compressed, "{compression}");
        sizes.push(report.tables["songplays"].bytes);
    }
    let [snappy, zstd, gzip, none] = sizes[..] else {
        panic!("{sizes:?}");
    };
    assert!(zstd < snappy && gzip < snappy && snappy < none, "{sizes:?}");
}

#[test]
fn snappy_is_the_default_codec() {
    let input = TestInput::with_log(event(1, &[]));
    let checked = run_and_compare(&input.songs_dir(), &input.logs_dir(), RunOptions::default());
    let codecs = column_codecs(&checked.out.path().join("dataset"));
    let column_codec = |name: &str| {
        let found = codecs.iter().find(|(_, column, _)| column == name);
        found.map(|(_, _, codec)| *codec)
    };
    for column in ["location", "user_agent", "title", "name", "first_name"] {
        assert_eq!(column_codec(column), Some(Codec::SNAPPY), "{column}");
    }
    for column in ["songplay_id", "start_time", "duration"] {
        assert_eq!(column_codec(column), Some(Codec::UNCOMPRESSED), "{column}");
    }
}

#[test]
fn every_codec_is_deterministic_across_threads() {
    let root = TempDir::new().unwrap();
    let data = root.path().join("data");
    let options = GenerateOptions {
        events: 5_000,
        songs: 100,
        users: 80,
        files: 7,
        seed: 12,
        edge_cases: false,
    };
    generate(&data, &options, &mut |_, _| {}).unwrap();
    for &compression in ParquetCompression::value_variants() {
        let output = |threads: usize| {
            let out = root.path().join(format!("{compression}-{threads}"));
            run_with_codec(&data, &out, threads, compression);
            deterministic_files(&out)
        };
        assert!(output(1) == output(5), "{compression}");
    }
}
