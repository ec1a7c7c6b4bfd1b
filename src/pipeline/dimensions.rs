//! The dimensions: written side by side from what the two other phases leave behind, when all input is
//! read.

use std::time::Instant;

use arrow_array::RecordBatch;
use rayon::prelude::*;

use super::Run;
use super::logs::Logs;
use super::stages::Stage;
use crate::error::Result;
use crate::star::records::SongBatch;
use crate::star::schema::{ARTISTS, SONGS, TIME, Table, USERS};
use crate::star::songs::{artists, songs};
use crate::star::time::time;
use crate::star::users::Users;

/// Rows of `time` in one part, about.
const TIME_ROWS: usize = 512 * 1024;

/// Writes `songs`, `artists`, `users` and `time`.
///
/// # Errors
/// A table cannot be written, or holds more than Arrow can (2 GiB of one column).
pub fn write(run: &Run<'_>, batches: &[SongBatch], logs: &Logs) -> Result<()> {
    let began = Instant::now();
    let bounds = time_bounds(&logs.times);
    let parts = bounds.len() + 1;
    let (times, others) = rayon::join(
        || write_time(run, &logs.times, &bounds),
        || {
            let songs = || write_table(run, &SONGS, || songs(batches));
            let artists = || write_table(run, &ARTISTS, || artists(batches));
            let users = || write_table(run, &USERS, || Users::table(&logs.users));
            let (users, (songs, artists)) = rayon::join(users, || rayon::join(songs, artists));
            users.and(songs).and(artists)
        },
    );
    run.stages.phase("dimensions", parts + 3, began);
    times.and(others)
}

fn write_table(
    run: &Run<'_>,
    table: &'static Table,
    rows: impl FnOnce() -> Result<RecordBatch>,
) -> Result<()> {
    let began = Instant::now();
    let rows = rows()?;
    let count = rows.num_rows() as u64;
    run.stages.add(Stage::Star, began, 0, count);
    run.write_table(table, &rows)
}

/// Writes the `time` table from the sorted times of all splits, range after range: never are all times
/// in memory twice.
fn write_time(run: &Run<'_>, splits: &[Vec<i64>], bounds: &[i64]) -> Result<()> {
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
        times.sort_unstable();
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
