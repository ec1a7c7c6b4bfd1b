//! Both engines leave equal tables.

use std::path::Path;

use super::support::{RawInput, assert_engines_agree, undocumented_behaviours};
use crate::support::test_warehouse::TestWarehouse;

/// Uploads the input that `generate` writes with these arguments.
fn upload_generated(warehouse: &TestWarehouse, arguments: &[&str]) -> RawInput {
    warehouse.generate_input("generated", arguments);
    warehouse.upload_dir(&warehouse.path("generated"), "input");
    RawInput::below(warehouse, "input")
}

#[test]
fn fixtures() {
    for settings in undocumented_behaviours() {
        let upload = |warehouse: &TestWarehouse| {
            let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
            for folder in ["song_data", "log_data"] {
                warehouse.upload_dir(
                    format!("{fixtures}/{folder}").as_ref(),
                    &format!("input/{folder}"),
                );
            }
            RawInput::below(warehouse, "input")
        };
        let report = assert_engines_agree(&settings, upload, &[]);
        assert_eq!(report["engine"], "redshift");
    }
}

/// The real sample, if it is there.
#[test]
fn sample() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/sparkify_sample");
    if !sample.exists() {
        return;
    }
    for settings in undocumented_behaviours() {
        let upload = |warehouse: &TestWarehouse| {
            warehouse.upload_dir(&sample, "input");
            RawInput::below(warehouse, "input")
        };
        let report = assert_engines_agree(&settings, upload, &[]);
        assert_eq!(report["logs"]["kept"], 6820);
        assert_eq!(report["tables"]["artists"]["rows"], 69);
        assert_eq!(report["matched_songplays"], 1);
    }
}

#[test]
fn generated_events() {
    for settings in undocumented_behaviours() {
        let arguments = [
            "--events", "20000", "--songs", "500", "--users", "80", "--seed", "11",
        ];
        let upload = |warehouse: &TestWarehouse| upload_generated(warehouse, &arguments);
        assert_engines_agree(&settings, upload, &[]);
    }
}
