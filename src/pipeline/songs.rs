//! The song phase: all song records, and the dimensions and the lookup that come from them.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::stages::Stage;
use super::tally::{State, Tally};
use super::{Run, chain};
use crate::error::{Error, Result};
use crate::star::lookup::SongLookup;
use crate::star::records::SongBatch;
use crate::star::schema::{ARTISTS, SONGS};
use crate::star::songs::{artists, songs};

/// Reads all songs, writes their two tables, and gives the lookup.
///
/// # Errors
/// Something cannot be read or written, or no record at all is a song.
pub fn run(run: &Run<'_>) -> Result<(SongLookup, State)> {
    let source = &run.songs;
    let tally = Tally::new(source, run.staging);
    let batches = Mutex::new(vec![Vec::new(); source.plan.splits.len()]);
    chain::run(
        run,
        source,
        |reader, split, start| {
            let mut made = Vec::new();
            let found = reader.read(split, start, &mut |batch| {
                made.push(SongBatch::new(batch)?);
                Ok(())
            })?;
            Ok((found, made))
        },
        |split, settled| {
            if let Some(slot) = batches
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_mut(split.number)
            {
                *slot = settled.made;
            }
            tally.add(split, settled.found, settled.lines_before)
        },
    )?;
    let state = tally.state();
    refuse_other_records(run, &state)?;

    let batches = batches
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .concat();
    let began = Instant::now();
    let (lookup, (songs, artists)) = rayon::join(
        || SongLookup::new(&batches),
        || rayon::join(|| songs(&batches), || artists(&batches)),
    );
    run.stages.add(Stage::Star, began, 0, state.kept);
    run.write_table(&SONGS, &songs?)?;
    run.write_table(&ARTISTS, &artists?)?;
    Ok((lookup, state))
}

/// A folder of something else ends here, before the logs are read in vain.
fn refuse_other_records(run: &Run<'_>, state: &State) -> Result<()> {
    match &state.first_reject {
        Some((_, first)) if state.kept == 0 => Err(Error::failed(format!(
            "no record in {} is a song",
            run.config.songs
        ))
        .because(first)
        .hint("check that --songs is song metadata and not logs")),
        _ => Ok(()),
    }
}
