//! Checks a published dataset.

use crate::dataset_check::{CheckReport, check_dataset};
use crate::error::Result;
use crate::storage::s3::S3Options;
use crate::storage::{Location, StoreOpener};

/// A check of a published dataset, which changes nothing.
#[derive(Debug, Clone)]
pub struct CheckJob {
    /// The output of the run that published the dataset, or one of the runs that are kept side by side below it.
    pub from: Location,
    /// The connection to S3, if the dataset is there.
    pub s3: S3Options,
}

impl CheckJob {
    /// Checks the dataset as a reader would see it: its files and their sizes, every page, the columns, the numbers of
    /// rows, the keys, the references, the parts of times, and the rejects.
    ///
    /// Takes about 30 bytes of memory for each play.
    ///
    /// # Errors
    /// Returns an error if there is no dataset, if it cannot be read, or for the first thing that is wrong with it.
    pub fn execute(&self) -> Result<CheckReport> {
        let _span = tracing::info_span!("check").entered();
        let stores = StoreOpener::new(self.s3.clone());
        check_dataset(&stores, &self.from)
    }
}
