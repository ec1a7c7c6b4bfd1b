//! Where a run publishes its dataset, and what is there before.

use super::layout::REPORT_FILE;
use super::publish::local::{RunsDir, StagingDir};
use super::publish::side_by_side::SideBySideRun;
use crate::error::{Error, Result};
use crate::model::sparkify::SPARKIFY;

/// Where a run publishes its dataset.
#[derive(Debug)]
pub(super) enum StagingTarget {
    /// The folder that will replace the output folder.
    Replace(StagingDir),
    /// The run, and the lock on a local output folder.
    SideBySide(SideBySideRun, Option<RunsDir>),
}

impl StagingTarget {
    /// Returns the number of songplays in the dataset that publishing would replace, if there is one.
    ///
    /// # Errors
    /// Returns an error if the report of that dataset cannot be read.
    pub(super) fn published_songplays(&self) -> Result<Option<u64>> {
        let Some((name, report)) = self.published_report()? else {
            return Ok(None);
        };
        match report["tables"][SPARKIFY.fact().0.name]["rows"].as_u64() {
            Some(rows) => Ok(Some(rows)),
            None => Err(Error::failed(format!("cannot read {name}"))
                .with_reason("it has no row count for songplays")),
        }
    }

    /// Returns true if publishing would replace a dataset that was built from songs and logs, and not from rejects.
    ///
    /// # Errors
    /// Returns an error if the report of that dataset cannot be read.
    pub(super) fn replaces_dataset_of_input(&self) -> Result<bool> {
        match self {
            Self::Replace(_) => {
                let report = self.published_report()?;
                Ok(report.is_some_and(|(_, report)| report["replayed_run"].is_null()))
            }
            Self::SideBySide(..) => Ok(false),
        }
    }

    /// Returns the report of the dataset that publishing would replace or supersede, if there is one, and its name.
    fn published_report(&self) -> Result<Option<(String, serde_json::Value)>> {
        let (name, json) = match self {
            Self::Replace(folder) => {
                let path = folder.target().join(REPORT_FILE);
                let json = match std::fs::read(&path) {
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
                    json => Some(json.map_err(|e| Error::io("cannot read", &path, e))?),
                };
                (path.display().to_string(), json)
            }
            Self::SideBySide(run, _) => (
                "the report of the latest run".to_owned(),
                run.latest_report()?,
            ),
        };
        let Some(json) = json else {
            return Ok(None);
        };
        // A file that is not JSON has no keys.
        let report = serde_json::from_slice(&json).unwrap_or_default();
        Ok(Some((name, report)))
    }

    /// Returns the location where [`Staging::keep_failed`](super::staging::Staging::keep_failed) keeps the rejects.
    pub(super) fn failed_location(&self) -> String {
        match self {
            Self::Replace(folder) => folder.failed_path().display().to_string(),
            Self::SideBySide(run, _) => run.url(),
        }
    }
}
