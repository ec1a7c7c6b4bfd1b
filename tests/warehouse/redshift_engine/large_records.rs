//! Records that are too large for COPY, which then fails whatever the limit is.

use testkit::redshift_simulator::WarehouseKind;

use super::support::{RawInput, run_engine};
use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::TestWarehouse;

const LIMIT: [&str; 2] = ["--max-rejects", "100%"];

#[test]
fn record_of_more_than_4_mb_fails_the_run() {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    let song = r#"{"song_id":"S","title":"T","artist_id":"A","artist_name":"N","duration":1.5}"#;
    let event =
        r#"{"page":"NextSong","ts":1,"userId":"3","sessionId":1,"itemInSession":2,"level":"free"}"#;
    let text = "x".repeat(4 << 20);
    let large = format!(r#"{{"page":"Home","ignored":"{text}"}}"#);
    warehouse.put_object("input/song_data/song.json", song);
    warehouse.put_object("input/log_data/event.json", event);
    warehouse.put_object("input/log_data/large.json", large);
    let input = RawInput::below(&warehouse, "input");
    let before = warehouse.warehouse_tables();
    run_engine(&warehouse, "redshift", &input, &LIMIT)
        .assert_failure(1, &["large.json", "--engine in-process"]);
    assert_tables_eq(&warehouse.warehouse_tables(), &before);
    let report = run_engine(&warehouse, "in-process", &input, &LIMIT);
    assert_eq!(report.assert_success().json()["logs"]["filtered"], 1);
}
