//! Loads a published dataset into a warehouse.

use super::load_target::LoadTarget;
use crate::error::{Error, Result};
use crate::observer::Observer;
use crate::output::{PublishedDataset, Purpose};
use crate::storage::s3::S3Options;
use crate::storage::{Location, StoreOpener};
use crate::warehouse::load::{Contact, DatasetSource, LoadMode, LoadReport};

/// A load of a published dataset.
#[derive(Debug, Clone)]
pub struct LoadJob {
    /// The output of the run that published the dataset, or one of the runs that are kept side by side below it.
    pub from: Location,
    /// The connection to S3, if the dataset is there.
    pub s3: S3Options,
    /// Where the dataset is loaded.
    pub target: LoadTarget,
    /// Whether a dataset without events may be loaded.
    pub allow_empty: bool,
}

impl LoadJob {
    /// Loads the dataset, in one transaction.
    ///
    /// # Errors
    /// Returns an error if the dataset cannot be read or is not to be loaded, or if the warehouse cannot be reached
    /// or rejects a statement. The warehouse is then unchanged, or the error says that this is unknown.
    pub fn execute(&self, observer: &dyn Observer) -> Result<LoadReport> {
        let _span = tracing::info_span!("load").entered();
        self.load(observer)
            .map_err(|error| error.describe_stop("the warehouse is unchanged"))
    }

    fn load(&self, observer: &dyn Observer) -> Result<LoadReport> {
        let dataset = self.open_dataset()?;
        observer.run_started(&dataset.report().run);
        observer.dataset_opened(dataset.report());
        let mode = self.target.load_mode(observer)?;
        let contact = match mode {
            LoadMode::FullRefresh { .. } => Contact::Again,
            LoadMode::Incremental => Contact::First,
        };
        let loaded = self.target.load(&dataset, &mode, contact, observer);
        observer.finish_phase();
        loaded
    }

    /// Returns the SQL of the load without connecting to the warehouse.
    ///
    /// # Errors
    /// Returns an error if the dataset cannot be read or is not to be loaded.
    pub fn script(&self) -> Result<String> {
        let dataset = self.open_dataset()?;
        let mode = self.target.planned_load_mode();
        let source = self.source(&dataset, &mode)?;
        let load = self.target.load_with(&mode, Contact::First);
        load.script(&source)
    }

    /// Opens the dataset and checks that it may be loaded.
    fn open_dataset(&self) -> Result<PublishedDataset> {
        self.target.warehouse.ensure_can_load_from(&self.from)?;
        let stores = StoreOpener::new(self.s3.clone());
        let dataset = PublishedDataset::open_store(&stores, &self.from, Purpose::Load)?;
        self.source(&dataset, &self.target.planned_load_mode())?;
        let logs = &dataset.report().logs;
        if dataset.report().lacks_events() && !self.allow_empty {
            return Err(Error::failed(format!("will not load {}", self.from))
                .with_reason(format!(
                    "its run kept none of {} log records ({} filtered: page is not NextSong)",
                    logs.input.records, logs.filtered
                ))
                .with_hint("use --allow-empty to load it anyway"));
        }
        Ok(dataset)
    }

    /// Returns the source of the rows of the dataset.
    fn source<'a>(
        &self,
        dataset: &'a PublishedDataset,
        mode: &LoadMode,
    ) -> Result<DatasetSource<'a>> {
        DatasetSource::new(dataset, self.target.warehouse.connection.dialect, mode)
    }
}
