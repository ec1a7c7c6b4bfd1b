//! `--compression`: the codec of the Parquet files.

use testkit::cli::sandbox::Sandbox;
use testkit::dataset::directory::{read_report, songplays_text_column};

#[test]
fn snappy_is_the_default_compression() {
    let sandbox = Sandbox::with_input();
    sandbox.run("songs", "logs", "dataset").assert_success();
    assert_eq!(
        read_report(&sandbox.path("dataset"))["compression"],
        "snappy"
    );
    let expected = songplays_text_column(&sandbox.path("dataset"), "level");
    for codec in ["snappy", "zstd", "gzip", "none"] {
        sandbox.run_with(&["--compression", codec]).assert_success();
        assert_eq!(read_report(&sandbox.path("dataset"))["compression"], codec);
        assert_eq!(
            songplays_text_column(&sandbox.path("dataset"), "level"),
            expected
        );
    }
}

#[test]
fn unknown_codec_is_a_usage_error_listing_the_choices() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    for value in ["", "lz4", "SNAPPY", "zstd,gzip", "uncompressed"] {
        let argument = format!("--compression={value}");
        let output = sandbox.run_with(&[&argument]);
        output.assert_usage_error("snappy, zstd, gzip, none");
        let bench = ["bench", "run", "--songs=songs", "--logs=logs", &argument];
        sandbox.exec(&bench).assert_usage_error("--compression");
    }
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}

#[test]
fn bench_run_uses_the_compression_flag() {
    let sandbox = Sandbox::with_input();
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
        let output = sandbox.exec(&arguments).assert_success();
        serde_json::from_str::<serde_json::Value>(&output.stdout).unwrap()
    };
    assert_eq!(measured(&[])["compression"], "snappy");
    assert_eq!(measured(&["--compression=none"])["compression"], "none");
}
