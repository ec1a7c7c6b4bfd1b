//! Writes the dimension tables and their merge state, in parallel, from the results of the song phase and the log
//! phase.

use std::time::Instant;

use arrow_array::RecordBatch;
use rayon::prelude::*;

use super::logs::LogPhaseResult;
use super::run_context::RunContext;
use super::source_objects::write_source_objects;
use super::timings::PipelineStage;
use crate::error::Result;
use crate::model::TableSchema;
use crate::model::sparkify::{
    ARTISTS, SONGS, STATE_ARTISTS, STATE_SONGS, STATE_USERS, TIME, USERS,
};
use crate::star::song_lookup::SongLookup;
use crate::star::songs_and_artists::{build_artists, build_songs};
use crate::star::time_dimension::build_time;
use crate::star::typed_batches::SongBatch;
use crate::star::users::LatestUsers;

/// The approximate number of rows in one part of `time`.
const TIME_ROWS_PER_PART: usize = 512 * 1024;

/// Writes `songs`, `artists`, `users` and `time`, their merge state and the source objects.
///
/// # Errors
/// Returns an error if a table cannot be written, or if a column exceeds Arrow's limit of 2 GiB.
pub(super) fn write_dimensions(
    run: &RunContext<'_>,
    batches: &[SongBatch],
    lookup: &SongLookup,
    logs: &LogPhaseResult,
) -> Result<()> {
    let _span = tracing::info_span!("dimensions").entered();
    let began = Instant::now();
    let bounds = time_part_bounds(&logs.times);
    let parts = bounds.len() + 1;
    let (times, others) = rayon::join(
        || write_time(run, &logs.times, &bounds),
        || {
            let songs = || write_tables(run, [&SONGS], || Ok([build_songs(batches)?]));
            let artists =
                || write_tables(run, [&ARTISTS, &STATE_ARTISTS], || build_artists(batches));
            let users = || {
                write_tables(run, [&USERS, &STATE_USERS], || {
                    LatestUsers::build_tables(&logs.user_shards)
                })
            };
            let song_keys =
                || write_tables(run, [&STATE_SONGS], || Ok([lookup.build_merge_state()?]));
            let source_objects = || write_source_objects(run, &logs.kept_by_object);
            let (users, (songs, artists)) = rayon::join(users, || rayon::join(songs, artists));
            let (keys, objects) = rayon::join(song_keys, source_objects);
            users.and(songs).and(artists).and(keys).and(objects)
        },
    );
    run.timings
        .record_phase("write dimensions", parts + 5, began);
    times.and(others)
}

fn write_tables<const N: usize>(
    run: &RunContext<'_>,
    tables: [&'static TableSchema; N],
    rows: impl FnOnce() -> Result<[RecordBatch; N]>,
) -> Result<()> {
    let began = Instant::now();
    let rows = rows()?;
    let count = rows.iter().map(|rows| rows.num_rows() as u64).sum();
    run.timings.record(PipelineStage::Star, began, 0, count);
    let mut tables = tables.into_iter().zip(&rows);
    tables.try_for_each(|(table, rows)| run.write_table(table, rows))
}

/// Writes the `time` table from the sorted times of all splits. Each part is one interval of time, so that memory
/// never holds a second copy of all times.
fn write_time(run: &RunContext<'_>, splits: &[Vec<i64>], bounds: &[i64]) -> Result<()> {
    (0..=bounds.len()).into_par_iter().try_for_each(|part| {
        let began = Instant::now();
        let mut times: Vec<i64> = splits
            .iter()
            .flat_map(|times| {
                let count_before = |bound: Option<&i64>, default| {
                    bound.map_or(default, |&bound| {
                        times.partition_point(|&time| time < bound)
                    })
                };
                let start = count_before(part.checked_sub(1).and_then(|n| bounds.get(n)), 0);
                let end = count_before(bounds.get(part), times.len());
                &times[start..end]
            })
            .copied()
            .collect();
        // The times of each split are sorted. The sort detects these runs and merges them.
        times.sort();
        times.dedup();
        let batch = build_time(&times)?;
        run.timings
            .record(PipelineStage::Star, began, 0, times.len() as u64);
        run.write_part(&TIME, part, &batch)
    })
}

/// Returns the bounds between the parts of `time`, so that each part has about [`TIME_ROWS_PER_PART`] rows, and
/// at least one.
fn time_part_bounds(splits: &[Vec<i64>]) -> Vec<i64> {
    let total: usize = splits.iter().map(Vec::len).sum();
    let parts = total.div_ceil(TIME_ROWS_PER_PART).min(256);
    let samples = splits
        .iter()
        .flat_map(|times| times.iter().step_by(TIME_ROWS_PER_PART / 64));
    let mut samples: Vec<i64> = samples.copied().collect();
    samples.sort_unstable();
    let first = samples.first().copied();
    let sample_at = |part| samples[part * samples.len() / parts];
    let mut bounds: Vec<i64> = (1..parts).map(sample_at).collect();
    bounds.dedup();
    // The first sample is the smallest time: a bound there would leave the first part empty.
    bounds.retain(|&bound| Some(bound) != first);
    bounds
}
