//! Writes the dimension tables and their merge state, in parallel, from the results of the song phase and the log
//! phase.

use std::time::Instant;

use rayon::prelude::*;

use super::logs::LogPhaseResult;
use super::run_context::RunContext;
use super::songs::SongPhaseResult;
use super::source_objects::write_source_objects;
use super::timings::PipelineStage;
use crate::error::Result;
use crate::star::lookup::Lookup;
use crate::star::pick::TableRows;
use crate::star::pick_state::PickedRows;

/// The approximate number of rows in one part of `time`.
const TIME_ROWS_PER_PART: usize = 512 * 1024;

/// Writes the dimensions, their merge state and the source objects.
///
/// # Errors
/// Returns an error if a table cannot be written, or if a column exceeds Arrow's limit of 2 GiB.
pub(super) fn write_dimensions(
    run: &RunContext<'_>,
    songs: &SongPhaseResult,
    lookup: &Lookup,
    logs: &LogPhaseResult,
) -> Result<()> {
    let batches = &songs.batches;
    let _span = tracing::info_span!("dimensions").entered();
    let began = Instant::now();
    let bounds = time_part_bounds(&logs.times);
    let parts = bounds.len() + 1;
    let kernels = &run.kernels;
    let mut tables: Vec<TableTask<'_>> = Vec::new();
    for (kernel, states) in kernels.event_picks.iter().zip(&logs.picked) {
        tables.push(Box::new(move || PickedRows::build_tables(kernel, states)));
    }
    for kernel in &kernels.lookup_picks {
        tables.push(Box::new(move || kernel.pick(batches)));
    }
    tables.push(Box::new(|| {
        lookup.build_table(&kernels.fact.lookup, batches)
    }));
    let tasks = parts + tables.len() + 1;
    let (times, (tables, objects)) = rayon::join(
        || write_time(run, &logs.times, &bounds),
        || {
            rayon::join(
                || {
                    let tables = tables.into_par_iter();
                    let written: Vec<Result<()>> =
                        tables.map(|build| write_tables(run, build)).collect();
                    // Which of several errors is reported does not depend on timing.
                    written.into_iter().collect::<Result<()>>()
                },
                || write_source_objects(run, &songs.counts.objects, &logs.counts.objects),
            )
        },
    );
    run.timings.record_phase("write dimensions", tasks, began);
    times.and(tables).and(objects)
}

/// Builds the rows of a table and of its merge state.
type TableTask<'a> = Box<dyn FnOnce() -> Result<Vec<TableRows>> + Send + 'a>;

fn write_tables(run: &RunContext<'_>, build: TableTask<'_>) -> Result<()> {
    let began = Instant::now();
    let tables = build()?;
    let count = tables
        .iter()
        .map(|table| table.rows.num_rows() as u64)
        .sum();
    run.timings.record(PipelineStage::Star, began, 0, count);
    tables
        .iter()
        .try_for_each(|table| run.write_table(table.table, &table.rows))
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
        let batch = run.kernels.calendar.build(&times)?;
        run.timings
            .record(PipelineStage::Star, began, 0, times.len() as u64);
        run.write_part(run.kernels.calendar.table, part, &batch)
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
