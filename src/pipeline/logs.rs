//! The log phase: events to songplays and their ledger, split by split, and what the dimensions need of
//! them.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use rayon::prelude::*;

use super::duplicates::{Duplicates, Filter, Ids};
use super::reader::{Sink, SplitRead, SplitReader, Start};
use super::stages::Stage;
use super::tally::{State, Tally};
use super::{Run, chain};
use crate::decode::reject::Reject;
use crate::error::{Error, Result};
use crate::input::{Object, Split};
use crate::output::{Part, PartWriter, Rejects};
use crate::star::lookup::SongLookup;
use crate::star::records::EventBatch;
use crate::star::schema::{LEDGER_SONGPLAYS, SONGPLAYS, Table};
use crate::star::songplays::{Plays, matched, songplay_ids, songplays};
use crate::star::users::{Position, Seen, Users};

/// States of users that are merged under a lock each, so that workers seldom wait for each other.
const USER_SHARDS: usize = 8;

/// What the log phase gives beside files.
#[derive(Debug)]
pub struct Logs {
    /// What became of the records.
    pub state: State,
    /// Events that were delivered before.
    pub duplicates: u64,
    /// Songplays whose song is known.
    pub matched: u64,
    /// The users, in states that share none.
    pub users: Vec<Users>,
    /// The sorted and distinct times of each split, in milliseconds since 1970.
    pub times: Vec<Vec<i64>>,
    /// Events kept from each object, duplicates among them.
    pub kept: Vec<u64>,
}

/// The Parquet parts of a split, and what is kept of it to the end.
#[derive(Debug, Default)]
struct Encoded {
    /// None if no event is left for it.
    part: Option<Part>,
    /// None if no event is left for it that can have a song.
    ledger: Option<Part>,
    matched: u64,
    keys: Keys,
}

/// What a worker makes of one split.
#[derive(Debug, Default)]
struct Made {
    encoded: Encoded,
    users: Seen,
    rejects: Rejects,
    /// Events that were left out because they were delivered before.
    dropped: Vec<Position>,
}

/// What is kept of every event to the end: 16 bytes.
#[derive(Debug, Default)]
struct Keys {
    /// songplay_id, by batch.
    ids: Vec<Ids>,
    /// `ts` in milliseconds since 1970, sorted and distinct.
    times: Vec<i64>,
}

/// A split that settled.
#[derive(Debug, Default)]
struct Done {
    encoded: Encoded,
    start: Option<Start>,
    /// Events kept from each segment.
    kept: Vec<u64>,
}

/// Reads all logs and writes `songplays` and its ledger.
///
/// # Errors
/// Something cannot be read or written.
pub fn run(run: &Run<'_>, lookup: &SongLookup) -> Result<Logs> {
    let mut known = Duplicates::default();
    loop {
        let (mut done, users, state) = first_pass(run, lookup, &known)?;
        let began = Instant::now();
        let ids: Vec<Vec<Ids>> = done
            .iter_mut()
            .map(|done| std::mem::take(&mut done.encoded.keys.ids))
            .collect();
        let found = Duplicates::find(&ids);
        drop(ids);
        run.stages.add(Stage::Deduplicate, began, 0, state.kept);
        run.stages.phase("duplicates", None, began);
        let dropped = encode_again(run, lookup, &found, &mut done)?;
        if users
            .iter()
            .any(|users| users.any_from(|position| dropped.contains(&position)))
        {
            // Two different events share a songplay_id (64 bits: one in ten million at two million
            // events). The later one does not count, but a user already has it: all over again.
            known = found;
            continue;
        }
        let rows = note_parts(run, &SONGPLAYS, &done, |encoded| encoded.part)?;
        note_parts(run, &LEDGER_SONGPLAYS, &done, |encoded| encoded.ledger)?;
        let matched = done.iter().map(|done| done.encoded.matched).sum();
        let kept = kept_by_object(run, &done);
        let times = done.into_iter().map(|done| done.encoded.keys.times);
        return Ok(Logs {
            duplicates: state.kept - rows,
            matched,
            state,
            users,
            times: times.collect(),
            kept,
        });
    }
}

/// Notes what was written of a table and gives its rows.
fn note_parts(
    run: &Run<'_>,
    table: &'static Table,
    done: &[Done],
    part: fn(&Encoded) -> Option<Part>,
) -> Result<u64> {
    let parts = || done.iter().filter_map(|done| part(&done.encoded));
    parts().for_each(|part| run.written(table, part));
    if parts().next().is_none() {
        // A reader of the folder wants the columns all the same.
        run.write_table(table, &RecordBatch::new_empty(table.arrow()))?;
    }
    Ok(parts().map(|part| part.rows).sum())
}

/// The events kept from each object: it can have segments in many splits, and a split those of many.
fn kept_by_object(run: &Run<'_>, done: &[Done]) -> Vec<u64> {
    let mut kept = vec![0; run.logs.objects.len()];
    for (split, done) in run.logs.plan.splits.iter().zip(done) {
        for (segment, rows) in split.segments.iter().zip(&done.kept) {
            if let Some(kept) = kept.get_mut(segment.object) {
                *kept += rows;
            }
        }
    }
    kept
}

/// Every split to its Parquet part, as if no event was delivered twice but those already known.
fn first_pass(
    run: &Run<'_>,
    lookup: &SongLookup,
    known: &Duplicates,
) -> Result<(Vec<Done>, Vec<Users>, State)> {
    let source = &run.logs;
    let tally = Tally::new(run, source);
    let users: Vec<Mutex<Users>> = (0..USER_SHARDS).map(|_| Mutex::default()).collect();
    let done: Vec<Mutex<Done>> = source
        .plan
        .splits
        .iter()
        .map(|_| Mutex::default())
        .collect();
    chain::run(
        run.reading(),
        source,
        |reader, split, start| encode(run, lookup, known, (reader, split, start)),
        |split, mut settled| {
            let Made {
                encoded,
                users: mut theirs,
                rejects,
                ..
            } = std::mem::take(&mut settled.made);
            let began = Instant::now();
            let shards = theirs.take_shards(USER_SHARDS);
            for turn in 0..USER_SHARDS {
                // Workers begin at different shards, so that they do not follow each other.
                let turn = (split.number + turn) % USER_SHARDS;
                if let (Some(ours), Some(shard)) = (users.get(turn), shards.get(turn)) {
                    let mut ours = ours.lock().unwrap_or_else(PoisonError::into_inner);
                    ours.merge(&theirs, shard);
                }
            }
            run.stages.add(Stage::Star, began, 0, 0);
            let start = Some(settled.found.began.map_or(Start::Nowhere, Start::At));
            let kept = std::mem::take(&mut settled.found.kept);
            if let Some(slot) = done.get(split.number) {
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                *slot = Done {
                    encoded,
                    start,
                    kept,
                };
            }
            tally.add(split, &settled, rejects)
        },
    )?;
    let inner = |done: Mutex<Done>| done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let users = users
        .into_iter()
        .map(|u| u.into_inner().unwrap_or_else(PoisonError::into_inner))
        .collect();
    Ok((done.into_iter().map(inner).collect(), users, tally.state()))
}

/// The splits that have an event too many, without it. Gives where those events stood.
fn encode_again(
    run: &Run<'_>,
    lookup: &SongLookup,
    found: &Duplicates,
    done: &mut [Done],
) -> Result<HashSet<Position>> {
    let began = Instant::now();
    let starts: Vec<Option<Start>> = done.iter().map(|done| done.start).collect();
    let again: Vec<(usize, Made)> = found
        .affected()
        .par_iter()
        .map_init(
            || SplitReader::new(run.reading(), &run.logs),
            |reader, &number| {
                let split = run.logs.plan.splits.get(number);
                let start = starts.get(number).copied().flatten();
                let (Some(split), Some(start)) = (split, start) else {
                    return Ok((number, Made::default()));
                };
                let (_, made) = encode(run, lookup, found, (reader, split, start))?;
                Ok((number, made))
            },
        )
        .collect::<Result<_>>()?;
    let pieces = found.affected().len();
    run.stages.phase("logs again", pieces, began);
    let mut dropped = HashSet::new();
    for (number, made) in again {
        dropped.extend(made.dropped);
        if let Some(done) = done.get_mut(number) {
            done.encoded = made.encoded;
        }
    }
    Ok(dropped)
}

/// One split from bytes to its Parquet parts.
fn encode(
    run: &Run<'_>,
    lookup: &SongLookup,
    duplicates: &Duplicates,
    (reader, split, start): (&mut SplitReader<'_>, &Split, Start),
) -> Result<(SplitRead, Made)> {
    let filter = duplicates.filter(split.number);
    let part = |table| SplitPart {
        table,
        split: split.number,
        is_again: start != Start::Likely || !filter.keeps_all(),
        writer: None,
    };
    let mut encoder = Encoder {
        run,
        lookup,
        plays: part(&SONGPLAYS),
        ledger: part(&LEDGER_SONGPLAYS),
        position: Position {
            split: split.number as u32,
            row: 0,
        },
        made: Made::default(),
        filter,
    };
    let found = reader.read(split, start, &mut encoder)?;
    Ok((found, encoder.close()?))
}

/// A split's part of a table, which is there only if there are rows.
struct SplitPart {
    table: &'static Table,
    split: usize,
    /// Whether an earlier pass over the split may have left rows that do not count.
    is_again: bool,
    writer: Option<PartWriter>,
}

impl SplitPart {
    fn write(&mut self, run: &Run<'_>, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let (table, split) = (self.table, self.split);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(run.staging.part(table, split, rows.schema())?),
        };
        writer.write(rows)
    }

    fn close(self, run: &Run<'_>) -> Result<Option<Part>> {
        match self.writer {
            Some(writer) => return writer.close().map(Some),
            None if self.is_again => run.staging.remove_part(self.table, self.split)?,
            None => {}
        }
        Ok(None)
    }
}

/// Makes and writes the songplays of one split.
struct Encoder<'a> {
    run: &'a Run<'a>,
    lookup: &'a SongLookup,
    filter: Filter<'a>,
    plays: SplitPart,
    ledger: SplitPart,
    /// Where the next event stands.
    position: Position,
    made: Made,
}

impl Sink for Encoder<'_> {
    fn rows(&mut self, batch: &RecordBatch) -> Result<()> {
        let began = Instant::now();
        let mut events = EventBatch::new(batch)?;
        let first = self.position;
        self.position.row += events.rows() as u32;
        let mut ids = songplay_ids(&events);
        if !self.filter.keeps_all() {
            let keeps: Vec<bool> = ids.iter().map(|&id| self.filter.keeps(id)).collect();
            let kept = ids.into_iter().zip(&keeps).filter(|(_, kept)| **kept);
            ids = kept.map(|(id, _)| id).collect();
            let rows = (first.row..).zip(&keeps).filter(|(_, kept)| !**kept);
            self.made
                .dropped
                .extend(rows.map(|(row, _)| Position { row, ..first }));
            let batch = filter_record_batch(batch, &BooleanArray::from(keeps));
            events = EventBatch::new(&batch.map_err(Error::arrow)?)?;
        }
        self.run.stages.add(Stage::Star, began, 0, 0);
        let began = Instant::now();
        self.made.encoded.keys.ids.push(Ids::new(&ids));
        self.run
            .stages
            .add(Stage::Deduplicate, began, 0, events.rows() as u64);
        let began = Instant::now();
        self.made.users.add(&events, first);
        let times = &mut self.made.encoded.keys.times;
        // A compressed object is one split of any size: room in reserve would be memory an event.
        times.reserve_exact(events.rows());
        times.extend_from_slice(events.ts());
        let Plays { songplays, ledger } = songplays(&events, ids, self.lookup)?;
        self.made.encoded.matched += matched(&songplays);
        let rows = songplays.num_rows() as u64;
        self.run.stages.add(Stage::Star, began, 0, rows);
        let began = Instant::now();
        self.plays.write(self.run, &songplays)?;
        self.ledger.write(self.run, &ledger)?;
        self.run.stages.add(Stage::Encode, began, 0, rows);
        Ok(())
    }

    fn reject(&mut self, object: &Object, reject: &Reject) -> Result<()> {
        let object = self.run.logs.display(object);
        let staging = self.run.staging;
        self.made
            .rejects
            .write(staging, &object, reject.line + 1, reject)
    }
}

impl Encoder<'_> {
    fn close(self) -> Result<Made> {
        let Self { run, mut made, .. } = self;
        let began = Instant::now();
        made.encoded.part = self.plays.close(run)?;
        made.encoded.ledger = self.ledger.close(run)?;
        let parts = [made.encoded.part, made.encoded.ledger];
        let bytes = parts.iter().flatten().map(|part| part.bytes).sum();
        run.stages.add(Stage::Encode, began, bytes, 0);
        let began = Instant::now();
        made.encoded.keys.times.sort_unstable();
        made.encoded.keys.times.dedup();
        run.stages.add(Stage::Star, began, 0, 0);
        Ok(made)
    }
}
