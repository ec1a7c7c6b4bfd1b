//! `--compression`: the codec of the Parquet files.

use crate::harness::Place;
use crate::star::{report, songplays_text};

#[test]
fn compression_is_snappy_unless_another_codec_is_named() {
    let place = Place::with_input();
    place.run("songs", "logs", "star").succeeds();
    assert_eq!(report(&place.path("star"))["compression"], "snappy");
    let wanted = songplays_text(&place.path("star"), "level");
    for codec in ["snappy", "zstd", "gzip", "none"] {
        place.run_with(&["--compression", codec]).succeeds();
        assert_eq!(report(&place.path("star"))["compression"], codec);
        assert_eq!(songplays_text(&place.path("star"), "level"), wanted);
    }
}

#[test]
fn an_unknown_codec_is_wrong_usage_and_names_the_known_ones() {
    let (place, earlier) = Place::with_star();
    for value in ["", "lz4", "SNAPPY", "zstd,gzip", "uncompressed"] {
        let argument = format!("--compression={value}");
        let ended = place.run_with(&[&argument]);
        ended.fails_as_wrong_usage("snappy, zstd, gzip, none");
        let bench = ["bench", "run", "--songs=songs", "--logs=logs", &argument];
        place.end(&bench).fails_as_wrong_usage("--compression");
    }
    earlier.is_untouched();
    place.has_no_leavings();
}

#[test]
fn bench_run_measures_the_codec_that_is_named() {
    let place = Place::with_input();
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
        let ended = place.end(&arguments).succeeds();
        serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap()
    };
    assert_eq!(measured(&[])["compression"], "snappy");
    assert_eq!(measured(&["--compression=none"])["compression"], "none");
}
