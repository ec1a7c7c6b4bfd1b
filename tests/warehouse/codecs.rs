//! Stars in every codec of `--compression`, loaded into the stand-in for Redshift.

use crate::house::{Ended, House};
use crate::redshift::{Codecs, Mode};
use crate::rows::assert_same;

/// A warehouse with empty tables, and a star in this codec, made from the same input every time.
fn with_star(codec: &str, codecs: Codecs) -> House {
    let house = House::with_codecs(Mode::Redshift, codecs);
    house.job(&["create-tables", "--quiet"]).succeeds();
    let sizes = [
        "--events", "300", "--songs", "40", "--users", "9", "--files", "2", "--seed", "5",
    ];
    house.generate("data", &sizes);
    let run = [
        "run",
        "--quiet",
        "--songs=data/song_data",
        "--logs=data/log_data",
    ];
    let mut command = house.sparkify(&run);
    command.args(["--compression", codec, "--out", &house.out("star")]);
    Ended::of(&mut command).succeeds();
    house
}

const WARNING: &str = "sparkify: warning: the Parquet parts of s3://stars/star/";

#[test]
fn redshift_loads_every_documented_codec() {
    for codec in ["snappy", "gzip", "none"] {
        let house = with_star(codec, Codecs::Documented);
        house.load("star").succeeds();
        assert_same(&house.tables(), &house.star("star"));
    }
}

#[test]
fn zstd_is_loaded_only_where_redshift_reads_it() {
    let house = with_star("zstd", Codecs::Documented);
    let ended = house.load("star");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.starts_with(WARNING), "{ended:?}");
    assert!(
        ended.stderr.contains("unsupported compression codec"),
        "{ended:?}"
    );
    assert!(
        house.tables().values().all(Vec::is_empty),
        "nothing is loaded"
    );

    let house = with_star("zstd", Codecs::Any);
    let ended = house.load("star");
    assert_eq!(ended.code, Some(0));
    assert!(ended.stderr.starts_with(WARNING), "{ended:?}");
    assert!(
        ended.stderr.ends_with("--compression snappy\n"),
        "{ended:?}"
    );
    assert_eq!(ended.stderr.lines().count(), 1);
    assert_same(&house.tables(), &house.star("star"));
}
