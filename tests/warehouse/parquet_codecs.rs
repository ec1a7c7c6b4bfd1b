//! Datasets in every codec of `--compression`, loaded into the Redshift simulator.

use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::{ReadableCodecs, WarehouseKind};

use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::TestWarehouse;

/// Returns a warehouse with empty tables, and a dataset in this codec that is always built from the same
/// input.
fn warehouse_with_dataset(codec: &str, codecs: ReadableCodecs) -> TestWarehouse {
    let warehouse = TestWarehouse::with_codecs(WarehouseKind::Redshift, codecs);
    warehouse
        .run_command(&["create-tables", "--quiet"])
        .assert_success();
    let sizes = [
        "--events", "300", "--songs", "40", "--users", "9", "--files", "2", "--seed", "5",
    ];
    warehouse.generate_input("data", &sizes);
    let run = [
        "run",
        "--quiet",
        "--songs=data/song_data",
        "--logs=data/log_data",
    ];
    let mut command = warehouse.sparkify(&run);
    command.args([
        "--compression",
        codec,
        "--out",
        &warehouse.out_location("dataset"),
    ]);
    CommandOutput::run(&mut command).assert_success();
    warehouse
}

const CODEC_WARNING: &str = "sparkify: warning: the Parquet parts of s3://datasets/dataset/";

#[test]
fn redshift_loads_every_documented_codec() {
    for codec in ["snappy", "gzip", "none"] {
        let warehouse = warehouse_with_dataset(codec, ReadableCodecs::Documented);
        warehouse.load_dataset("dataset").assert_success();
        assert_tables_eq(
            &warehouse.warehouse_tables(),
            &warehouse.dataset_tables("dataset"),
        );
    }
}

#[test]
fn zstd_loads_only_if_copy_supports_it() {
    let warehouse = warehouse_with_dataset("zstd", ReadableCodecs::Documented);
    let output = warehouse.load_dataset("dataset");
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.starts_with(CODEC_WARNING), "{output:?}");
    assert!(
        output.stderr.contains("unsupported compression codec"),
        "{output:?}"
    );
    assert!(
        warehouse.warehouse_tables().values().all(Vec::is_empty),
        "rows were loaded"
    );

    let warehouse = warehouse_with_dataset("zstd", ReadableCodecs::Any);
    let output = warehouse.load_dataset("dataset");
    assert_eq!(output.code, Some(0));
    assert!(output.stderr.starts_with(CODEC_WARNING), "{output:?}");
    assert!(
        output.stderr.ends_with("--compression snappy\n"),
        "{output:?}"
    );
    assert_eq!(output.stderr.lines().count(), 1);
    assert_tables_eq(
        &warehouse.warehouse_tables(),
        &warehouse.dataset_tables("dataset"),
    );
}
