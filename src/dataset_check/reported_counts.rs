//! Checks that the counts of a report add up, and that the reject files have the rejects that it counts.

use super::finding::finding;
use crate::error::Result;
use crate::input::RecordKind;
use crate::model::TableRule;
use crate::model::sparkify::SPARKIFY;
use crate::output::{PublishedDataset, REJECTS_DIR, REPORT_FILE, RejectedRun, RunId};
use crate::storage::StoreOpener;

/// Checks the counts of the report.
///
/// # Errors
/// Returns an error if they do not add up, or if the report is that of another run.
pub(super) fn check_reported_counts(dataset: &PublishedDataset) -> Result<()> {
    let report = dataset.report();
    let wrong = |reason: String| Err(finding(&dataset.store().display(REPORT_FILE), reason));
    if let Some(folder) = folder_of_run(dataset)
        && folder != report.run
    {
        return wrong(format!("it is the report of run {}", report.run));
    }
    let logs = &report.logs;
    let sum = logs.kept + logs.filtered + logs.input.rejected + logs.duplicates;
    if logs.input.records != sum {
        return wrong(format!(
            "it counts {} log records, but {sum} that are kept, filtered, rejected or duplicates",
            logs.input.records
        ));
    }
    let (fact, _) = SPARKIFY.fact();
    let plays = dataset.table_report(fact).rows;
    if logs.kept != plays {
        return wrong(format!(
            "it counts {} kept events, but {plays} rows of {}",
            logs.kept, fact.name
        ));
    }
    for table in SPARKIFY.dataset_tables() {
        if let TableRule::PickState { of } = table.rule {
            let (rows, of) = (dataset.table_report(table).rows, SPARKIFY.table(of));
            let expected = dataset.table_report(of).rows;
            if rows != expected {
                let (table, of) = (table.name, of.name);
                return wrong(format!(
                    "it counts {rows} rows of {table}, but {expected} of {of}"
                ));
            }
        }
    }
    Ok(())
}

/// Returns the id of the run that the folder or prefix of the dataset is named after, if it is.
fn folder_of_run(dataset: &PublishedDataset) -> Option<String> {
    let location = dataset.location().to_string();
    let name = location.trim_end_matches('/').rsplit('/').next()?;
    let id: RunId = name.parse().ok()?;
    Some(id.to_string())
}

/// Checks that the reject files have as many rejects as the report counts, and returns their number.
///
/// # Errors
/// Returns an error if a file cannot be read, or if the numbers differ.
pub(super) fn check_rejects(stores: &StoreOpener, dataset: &PublishedDataset) -> Result<u64> {
    let report = dataset.report();
    let rejects = RejectedRun::open(stores, dataset.location())?;
    let (mut songs, mut logs) = (0, 0);
    for file in rejects.files() {
        file.read_lines(|_, reject| {
            match reject.kind {
                Some(RecordKind::Song) => songs += 1,
                Some(RecordKind::Log) | None => logs += 1,
            }
            Ok(())
        })?;
    }
    for (kind, found, expected) in [
        (RecordKind::Song, songs, report.songs.rejected),
        (RecordKind::Log, logs, report.logs.input.rejected),
    ] {
        if found != expected {
            let kind = kind.plural();
            let name = dataset.store().display(REJECTS_DIR);
            let reason = format!("it has {found} rejects of {kind}, the report counts {expected}");
            return Err(finding(&name, reason));
        }
    }
    Ok(songs + logs)
}
