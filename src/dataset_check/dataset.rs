//! Checks a dataset from the outside to the inside, one table after the other.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::check_report::CheckReport;
use super::finding::{finding, row_finding};
use super::keys::Keys;
use super::listed_files::ListedFiles;
use super::part_file::PartFile;
use super::reported_counts::{check_rejects, check_reported_counts};
use super::table_rows::{RowCounts, TableRows, refers_to, unique_columns};
use crate::error::Result;
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;
use crate::output::{PublishedDataset, Purpose, REPORT_FILE};
use crate::storage::{Location, ObjectMeta, StoreOpener};

/// Checks the dataset at `location`: an output folder, a run below a prefix, or the newest complete run of a prefix.
///
/// Memory is bounded by the keys, of 8 bytes each: those of `songplays` are there twice while those of its parts are put
/// together, with the keys of `time`; and so are those of its merge state, with the keys of `songplays`.
///
/// # Errors
/// Returns an error if the dataset cannot be read, or for the first thing that is wrong with it.
pub(crate) fn check_dataset(stores: &StoreOpener, location: &Location) -> Result<CheckReport> {
    let dataset = PublishedDataset::open_store(stores, location, Purpose::Check)?;
    let checked = check_contents(stores, &dataset);
    // What is wrong may be that another run replaced the dataset.
    dataset.ensure_unchanged()?;
    checked
}

fn check_contents(stores: &StoreOpener, dataset: &PublishedDataset) -> Result<CheckReport> {
    check_reported_counts(dataset)?;
    let files = ListedFiles::list(dataset)?;
    let mut report = CheckReport {
        location: dataset.location().to_string(),
        run: dataset.report().run.clone(),
        manifests: files.manifests,
        ..CheckReport::default()
    };
    let mut keys = BTreeMap::new();
    let tables = SPARKIFY.dataset_tables_by_dependency();
    for (number, &table) in tables.iter().enumerate() {
        let checked = check_table(dataset, table, files.parts(table), &keys)?;
        tracing::info!(table = table.name, rows = checked.rows, "checked a table");
        report.unique_keys += checked.keys.len() as u64;
        report.resolved_references += checked.counts.references;
        let sizes = match SPARKIFY.star.contains(&table) {
            true => &mut report.tables,
            false => &mut report.merge_state,
        };
        sizes.insert(table.name.to_owned(), dataset.table_report(table));
        if table == SPARKIFY.fact().0 {
            check_matches(dataset, checked.counts.matched)?;
        }
        keys.insert(table.name, checked.keys);
        let later = &tables[number + 1..];
        keys.retain(|name, _| later.iter().any(|table| refers_to(&SPARKIFY, table, name)));
    }
    report.rejects = check_rejects(stores, dataset)?;
    Ok(report)
}

/// Checks the number of plays with a known song.
fn check_matches(dataset: &PublishedDataset, found: u64) -> Result<()> {
    let expected = dataset.report().matched_songplays;
    if found == expected {
        return Ok(());
    }
    let reason = format!("it counts {expected} plays with a known song, but {found} have one");
    Err(finding(&dataset.store().display(REPORT_FILE), reason))
}

/// What was found in a table, or in a part of it.
struct CheckedRows {
    rows: u64,
    keys: Keys,
    counts: RowCounts,
}

/// Checks a table. `keys` has the sorted keys of the tables before it; those of the result are sorted, too.
fn check_table(
    dataset: &PublishedDataset,
    table: &'static TableSchema,
    parts: &[ObjectMeta],
    keys: &BTreeMap<&'static str, Keys>,
) -> Result<CheckedRows> {
    let expected_rows = TableRows::new(&SPARKIFY, table, |name| keys.get(name));
    let first_wrong = AtomicUsize::new(usize::MAX);
    let check = |(number, part): (usize, &ObjectMeta)| {
        if number > first_wrong.load(Ordering::Relaxed) {
            return None;
        }
        let checked = check_part(dataset, table, part, &expected_rows);
        if checked.is_err() {
            first_wrong.fetch_min(number, Ordering::Relaxed);
        }
        Some(checked)
    };
    let checked: Vec<_> = parts.par_iter().enumerate().filter_map(check).collect();
    let mut total = CheckedRows {
        rows: 0,
        keys: Keys::new(unique_columns(&SPARKIFY, table)),
        counts: RowCounts::default(),
    };
    let rows = checked.iter().flatten().map(|part| part.keys.len()).sum();
    total.keys.reserve(rows);
    // The first error is that of the first part, whichever thread was faster.
    for part in checked {
        let part = part?;
        total.rows += part.rows;
        total.keys.append(part.keys);
        total.counts.references += part.counts.references;
        total.counts.matched += part.counts.matched;
    }
    let reported = dataset.table_report(table).rows;
    if total.rows != reported {
        let rows = total.rows;
        let reason = format!("it has {rows} rows, the report counts {reported}");
        return Err(finding(&dataset.store().display(table.dir), reason));
    }
    total.keys.sort();
    match total.keys.first_duplicate() {
        Some(key) => Err(find_duplicate(dataset, parts, &expected_rows, &key)?),
        None => Ok(total),
    }
}

/// Checks a part of a table.
fn check_part(
    dataset: &PublishedDataset,
    table: &'static TableSchema,
    part: &ObjectMeta,
    expected_rows: &TableRows<'_>,
) -> Result<CheckedRows> {
    let name = dataset.display(part);
    let file = PartFile::open(name.clone(), dataset.open_part(part)?)?;
    file.check_columns(table)?;
    file.check_pages(dataset.report().compression)?;
    let mut keys = Keys::new(unique_columns(&SPARKIFY, table));
    let mut counts = RowCounts::default();
    let rows = file.read_rows(|before, batch| {
        let found = expected_rows.check(&name, before, batch)?;
        counts.references += found.references;
        counts.matched += found.matched;
        if !expected_rows.key_positions().is_empty() {
            keys.extend_from(batch, expected_rows.key_positions());
        }
        Ok(())
    })?;
    Ok(CheckedRows { rows, keys, counts })
}

/// Returns the error for a key that occurs twice. The keys do not say where, so that the parts are read again.
fn find_duplicate(
    dataset: &PublishedDataset,
    parts: &[ObjectMeta],
    expected_rows: &TableRows<'_>,
    key: &Keys,
) -> Result<crate::error::Error> {
    let positions = expected_rows.key_positions();
    let mut first: Option<(String, u64)> = None;
    let mut second = None;
    for part in parts {
        let name = dataset.display(part);
        let file = PartFile::open(name.clone(), dataset.open_part(part)?)?;
        file.read_rows(|before, batch| {
            for row in key.rows_with(batch, positions) {
                let at = before + row as u64;
                match &first {
                    None => first = Some((name.clone(), at)),
                    Some((first, first_row)) if second.is_none() => {
                        let values = positions.iter();
                        let values =
                            values.map(|&column| expected_rows.describe(batch, column, row));
                        let values: Vec<_> = values.collect();
                        let values = values.join(", ");
                        let reason =
                            format!("{values} is in {first} row {} already", first_row + 1);
                        second = Some(row_finding(&name, at, reason));
                    }
                    Some(_) => {}
                }
            }
            Ok(())
        })?;
    }
    dataset.ensure_unchanged()?;
    Ok(second.unwrap_or_else(|| finding(&dataset.location().to_string(), "it changed")))
}
