//! Defines the result of a check that found nothing wrong.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::output::run_report::TableReport;

/// What was checked and found to be right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The location of the dataset: one run, if runs are kept side by side.
    pub location: String,
    /// The id of its run.
    pub run: String,
    /// The tables of the star schema.
    pub tables: BTreeMap<String, TableReport>,
    /// The tables of the merge state.
    pub merge_state: BTreeMap<String, TableReport>,
    /// COPY manifests that name the files of their table. Only a dataset in S3 has them.
    pub manifests: u64,
    /// Keys, each of which occurs once in its table.
    pub unique_keys: u64,
    /// References to other tables, each of which is a key there.
    pub resolved_references: u64,
    /// Rejects in the reject files.
    pub rejects: u64,
}

impl CheckReport {
    /// Returns the sizes of all tables together.
    pub fn total(&self) -> TableReport {
        let mut total = TableReport::default();
        for table in self.tables.values().chain(self.merge_state.values()) {
            total.rows += table.rows;
            total.files += table.files;
            total.bytes += table.bytes;
        }
        total
    }
}
