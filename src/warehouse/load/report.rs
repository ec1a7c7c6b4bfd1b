//! The result of a load.

use serde::Serialize;

use super::change_counts::ChangeCounts;

/// Result of a load.
#[derive(Debug, Clone, Serialize)]
pub struct LoadReport {
    /// URL of the warehouse without the password.
    pub warehouse: String,
    /// Id of the run that wrote the dataset.
    pub run: String,
    /// Row counts of each table of the star schema.
    pub tables: ChangeCounts,
    /// Number of attempts of the transaction.
    pub attempts: u32,
    /// Duration of all attempts in seconds.
    pub seconds: f64,
}
