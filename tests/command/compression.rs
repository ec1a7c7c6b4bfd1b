//! `--compression`: the codec of the Parquet files.

use crate::harness::Sandbox;
use crate::star::{read_report, songplays_text_column};

#[test]
fn snappy_is_the_default_compression() {
    let place = Sandbox::with_input();
    place.run("songs", "logs", "star").assert_success();
    assert_eq!(read_report(&place.path("star"))["compression"], "snappy");
    let wanted = songplays_text_column(&place.path("star"), "level");
    for codec in ["snappy", "zstd", "gzip", "none"] {
        place.run_with(&["--compression", codec]).assert_success();
        assert_eq!(read_report(&place.path("star"))["compression"], codec);
        assert_eq!(songplays_text_column(&place.path("star"), "level"), wanted);
    }
}

#[test]
fn unknown_codec_is_a_usage_error_listing_the_choices() {
    let (place, earlier) = Sandbox::with_dataset();
    for value in ["", "lz4", "SNAPPY", "zstd,gzip", "uncompressed"] {
        let argument = format!("--compression={value}");
        let ended = place.run_with(&[&argument]);
        ended.assert_usage_error("snappy, zstd, gzip, none");
        let bench = ["bench", "run", "--songs=songs", "--logs=logs", &argument];
        place.exec(&bench).assert_usage_error("--compression");
    }
    earlier.assert_unchanged();
    place.assert_no_staging_left();
}

#[test]
fn bench_run_uses_the_compression_flag() {
    let place = Sandbox::with_input();
    let bench = [
        "bench",
        "run",
        "--songs=songs",
        "--logs=logs",
        "--out=.",
        "--quiet",
        "--json",
    ];
    let measured = |more: &[&str]| {
        let mut arguments = bench.to_vec();
        arguments.extend(["--threads=1", "--runs=1"]);
        arguments.extend(more);
        let ended = place.exec(&arguments).assert_success();
        serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap()
    };
    assert_eq!(measured(&[])["compression"], "snappy");
    assert_eq!(measured(&["--compression=none"])["compression"], "none");
}
