//! The dimensions, and the ledger of them: written side by side from what the two other phases leave
//! behind, when all input is read.

use std::time::Instant;

use arrow_array::RecordBatch;
use rayon::prelude::*;

use super::logs::LogsOutput;
use super::timings::Stage;
use super::{RunContext, source_objects};
use crate::error::Result;
use crate::star::lookup::SongLookup;
use crate::star::records::SongBatch;
use crate::star::schema::{
    ARTISTS, LEDGER_ARTISTS, LEDGER_SONGS, LEDGER_USERS, SONGS, TIME, Table, USERS,
};
use crate::star::songs::{artists, songs};
use crate::star::time::time;
use crate::star::users::LatestUsers;

/// Rows of `time` in one part, about.
const TIME_ROWS: usize = 512 * 1024;

/// Writes `songs`, `artists`, `users` and `time`, and the ledger but for its songplays.
///
/// # Errors
/// A table cannot be written, or holds more than Arrow can (2 GiB of one column).
pub fn write(
    run: &RunContext<'_>,
    batches: &[SongBatch],
    lookup: &SongLookup,
    logs: &LogsOutput,
) -> Result<()> {
    let began = Instant::now();
    let bounds = time_bounds(&logs.times);
    let parts = bounds.len() + 1;
    let (times, others) = rayon::join(
        || write_time(run, &logs.times, &bounds),
        || {
            let songs = || write_tables(run, [&SONGS], || Ok([songs(batches)?]));
            let artists = || write_tables(run, [&ARTISTS, &LEDGER_ARTISTS], || artists(batches));
            let users = || {
                write_tables(run, [&USERS, &LEDGER_USERS], || {
                    LatestUsers::tables(&logs.users)
                })
            };
            let keys = || write_tables(run, [&LEDGER_SONGS], || Ok([lookup.ledger()?]));
            let objects = || source_objects::write_objects(run, &logs.kept);
            let (users, (songs, artists)) = rayon::join(users, || rayon::join(songs, artists));
            let (keys, objects) = rayon::join(keys, objects);
            users.and(songs).and(artists).and(keys).and(objects)
        },
    );
    run.stages.phase("dimensions", parts + 5, began);
    times.and(others)
}

fn write_tables<const N: usize>(
    run: &RunContext<'_>,
    tables: [&'static Table; N],
    rows: impl FnOnce() -> Result<[RecordBatch; N]>,
) -> Result<()> {
    let began = Instant::now();
    let rows = rows()?;
    let count = rows.iter().map(|rows| rows.num_rows() as u64).sum();
    run.stages.add(Stage::Star, began, 0, count);
    let mut tables = tables.into_iter().zip(&rows);
    tables.try_for_each(|(table, rows)| run.write_table(table, rows))
}

/// Writes the `time` table from the sorted times of all splits, range after range: never are all times
/// in memory twice.
fn write_time(run: &RunContext<'_>, splits: &[Vec<i64>], bounds: &[i64]) -> Result<()> {
    (0..=bounds.len()).into_par_iter().try_for_each(|number| {
        let began = Instant::now();
        let mut times: Vec<i64> = splits
            .iter()
            .flat_map(|times| {
                let before = |bound: Option<&i64>, none| {
                    bound.map_or(none, |&bound| times.partition_point(|&time| time < bound))
                };
                let start = before(number.checked_sub(1).and_then(|n| bounds.get(n)), 0);
                let end = before(bounds.get(number), times.len());
                times.get(start..end).unwrap_or_default()
            })
            .copied()
            .collect();
        // Those of a split are sorted: this sort merges them.
        times.sort();
        times.dedup();
        let batch = time(&times)?;
        run.stages.add(Stage::Star, began, 0, times.len() as u64);
        run.write_part(&TIME, number, &batch)
    })
}

/// Where one range of times ends and the next begins, so that each holds about [`TIME_ROWS`], and at
/// least one.
fn time_bounds(splits: &[Vec<i64>]) -> Vec<i64> {
    let all: usize = splits.iter().map(Vec::len).sum();
    let parts = all.div_ceil(TIME_ROWS).min(256);
    let samples = splits
        .iter()
        .flat_map(|times| times.iter().step_by(TIME_ROWS / 64));
    let mut samples: Vec<i64> = samples.copied().collect();
    samples.sort_unstable();
    let first = samples.first().copied();
    let at = |part| samples.get(part * samples.len() / parts.max(1)).copied();
    let mut bounds: Vec<i64> = (1..parts).filter_map(at).collect();
    bounds.dedup();
    // The first sample can be the first time of all.
    bounds.retain(|&bound| Some(bound) != first);
    bounds
}
