//! A warehouse with generated input, and single songs and events.

use testkit::redshift_simulator::WarehouseKind;

use crate::support::test_warehouse::TestWarehouse;

pub const GENERATE_ARGS: [&str; 10] = [
    "--events", "4000", "--songs", "300", "--users", "60", "--files", "12", "--seed", "5",
];

/// Returns a warehouse with generated input in `data` and its dataset in `dataset`.
pub fn warehouse_with_dataset(kind: WarehouseKind) -> TestWarehouse {
    let warehouse = TestWarehouse::new(kind);
    warehouse.generate_input("data", &GENERATE_ARGS);
    warehouse.build_dataset("data/song_data", "data/log_data", "dataset");
    warehouse
}

pub fn event(user: u32, ts: u64, level: &str, session: u32, item: u32) -> String {
    format!(
        r#"{{"page":"NextSong","ts":{ts},"userId":"{user}","sessionId":{session},"itemInSession":{item},"level":"{level}","song":"T","artist":"N","length":1.5}}"#
    )
}

pub fn song(id: &str, artist: &str) -> String {
    format!(
        r#"{{"song_id":"{id}","artist_id":"{artist}","title":"T","artist_name":"N","duration":1.5}}"#
    )
}
