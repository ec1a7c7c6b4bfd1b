//! The log phase: events to songplays, split by split, and what the dimensions need of them.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use rayon::prelude::*;

use super::duplicates::{Duplicates, Filter, Ids};
use super::reader::{Sink, SplitRead, SplitReader, Start};
use super::stages::Stage;
use super::tally::{SplitRejects, State, Tally};
use super::{Run, chain};
use crate::decode::reject::Reject;
use crate::error::{Error, Result};
use crate::input::{Object, Split};
use crate::output::PartWriter;
use crate::output::report::TableReport;
use crate::star::lookup::SongLookup;
use crate::star::records::EventBatch;
use crate::star::schema::SONGPLAYS;
use crate::star::songplays::{matched, songplay_ids, songplays};
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
}

/// A Parquet part, and what is kept of it to the end.
#[derive(Debug, Default)]
struct Encoded {
    part: TableReport,
    matched: u64,
    keys: Keys,
}

/// What a worker makes of one split.
#[derive(Debug, Default)]
struct Made {
    encoded: Encoded,
    users: Seen,
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
}

/// Reads all logs and writes `songplays`.
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
        let mut part = TableReport::default();
        let mut matched = 0;
        for done in &done {
            part.add(done.encoded.part);
            matched += done.encoded.matched;
        }
        if part.files == 0 {
            // A reader of the folder wants the columns all the same.
            run.write_table(&SONGPLAYS, &RecordBatch::new_empty(SONGPLAYS.arrow()))?;
        }
        run.written(&SONGPLAYS, part);
        let times = done.into_iter().map(|done| done.encoded.keys.times);
        return Ok(Logs {
            duplicates: state.kept - part.rows,
            matched,
            state,
            users,
            times: times.collect(),
        });
    }
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
        |reader, split, start| {
            let rejects = SplitRejects::new(source, run.staging, split)?;
            encode(run, lookup, known, Some(rejects), (reader, split, start))
        },
        |split, settled| {
            let Made {
                encoded,
                users: mut theirs,
                ..
            } = settled.made;
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
            if let Some(slot) = done.get(split.number) {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Done { encoded, start };
            }
            tally.add(split, &settled.found, settled.lines_before)
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
                let (_, made) = encode(run, lookup, found, None, (reader, split, start))?;
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

/// One split from bytes to its Parquet part. Its rejects are written if there is a place for them.
fn encode(
    run: &Run<'_>,
    lookup: &SongLookup,
    duplicates: &Duplicates,
    rejects: Option<SplitRejects<'_>>,
    (reader, split, start): (&mut SplitReader<'_>, &Split, Start),
) -> Result<(SplitRead, Made)> {
    let mut encoder = Encoder {
        run,
        lookup,
        filter: duplicates.filter(split.number),
        rejects,
        path: run.staging.part(SONGPLAYS.name, split.number),
        writer: None,
        position: Position {
            split: split.number as u32,
            row: 0,
        },
        made: Made::default(),
    };
    let found = reader.read(split, start, &mut encoder)?;
    Ok((found, encoder.close()?))
}

/// Makes and writes the songplays of one split.
struct Encoder<'a> {
    run: &'a Run<'a>,
    lookup: &'a SongLookup,
    filter: Filter<'a>,
    rejects: Option<SplitRejects<'a>>,
    path: PathBuf,
    writer: Option<PartWriter>,
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
        let plays = songplays(&events, ids, self.lookup)?;
        self.made.encoded.matched += matched(&plays);
        let rows = plays.num_rows() as u64;
        self.run.stages.add(Stage::Star, began, 0, rows);
        if rows == 0 {
            return Ok(());
        }
        let began = Instant::now();
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self
                .writer
                .insert(PartWriter::create(&self.path, plays.schema())?),
        };
        writer.write(&plays)?;
        self.run.stages.add(Stage::Encode, began, 0, rows);
        Ok(())
    }

    fn reject(&mut self, object: &Object, reject: &Reject) -> Result<()> {
        match &mut self.rejects {
            Some(rejects) => rejects.write(object, reject),
            None => Ok(()),
        }
    }
}

impl Encoder<'_> {
    fn close(self) -> Result<Made> {
        let Self { run, mut made, .. } = self;
        if let Some(rejects) = self.rejects {
            rejects.close()?;
        }
        let began = Instant::now();
        match self.writer {
            Some(writer) => made.encoded.part = writer.close()?,
            // An earlier pass over the split may have left rows that do not count.
            None => run.staging.remove(&self.path)?,
        }
        run.stages
            .add(Stage::Encode, began, made.encoded.part.bytes, 0);
        let began = Instant::now();
        made.encoded.keys.times.sort_unstable();
        made.encoded.keys.times.dedup();
        run.stages.add(Stage::Star, began, 0, 0);
        Ok(made)
    }
}
