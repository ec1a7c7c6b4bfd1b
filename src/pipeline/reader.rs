//! One worker's way through a split: its segments read, decoded and handed on batch by batch.

use std::time::{Duration, Instant};

use arrow_array::RecordBatch;

use super::Run;
use super::source::Source;
use super::stages::{Stage, Stages};
use crate::decode::reject::Reject;
use crate::decode::{Counts, Decoder, Stop};
use crate::error::{Error, Result};
use crate::input::{ChunkReader, Split};
use crate::progress::Progress;

/// Where the records of a split's first segment begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the first line in it that begins with `{`, or at the start of the object: the guess.
    Likely,
    /// At this byte of the object.
    At(u64),
    /// Nowhere: a record of the split before reaches over the whole segment.
    Nowhere,
}

/// What was found in a split, beside the batches.
#[derive(Debug)]
pub struct SplitRead {
    /// Where the first segment's records began; nowhere if none begins in it.
    pub began: Option<u64>,
    /// Where the last segment's records ended; nowhere if it had none.
    pub ended: Option<u64>,
    /// Newlines in each of the first and the last segment (they can be the same).
    pub lines: (u64, u64),
    /// The counts over all segments.
    pub counts: Counts,
    /// The rejects, in order, with the number of their segment in the split. Their lines count from
    /// where the segment's records began.
    pub rejects: Vec<(usize, Reject)>,
}

/// A decoder and a buffer, used for split after split.
pub struct SplitReader<'a> {
    source: &'a Source,
    stages: &'a Stages,
    progress: &'a Progress,
    decoder: Decoder,
    reader: ChunkReader,
}

impl<'a> SplitReader<'a> {
    /// A reader of splits of `source`.
    pub fn new(run: &'a Run<'_>, source: &'a Source) -> Self {
        let sizes = run.config.sizes;
        Self {
            source,
            stages: &run.stages,
            progress: run.progress,
            decoder: Decoder::new(source.schema, sizes.row_group_rows),
            reader: ChunkReader::new(sizes.chunk_bytes),
        }
    }

    /// Reads a split and gives each batch of rows to `take`.
    ///
    /// # Errors
    /// An object cannot be read, or `take` failed.
    pub fn read(
        &mut self,
        split: &Split,
        start: Start,
        take: &mut dyn FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<SplitRead> {
        let mut clock = Clock::default();
        let mut found = SplitRead {
            began: None,
            ended: None,
            lines: (0, 0),
            counts: Counts::default(),
            rejects: Vec::new(),
        };
        // A split that failed half way may have left something.
        self.decoder = Decoder::new(self.source.schema, self.decoder.max_rows());
        for (number, segment) in split.segments.iter().enumerate() {
            let start = if number == 0 { start } else { Start::Likely };
            let Some(object) = self.source.objects.get(segment.object) else {
                continue;
            };
            let store = self.source.store.as_ref();
            let began = clock.read(|| match start {
                Start::Nowhere => Ok(None),
                Start::At(at) => self.reader.open(store, object, at).map(|()| Some(at)),
                Start::Likely if segment.start == 0 => {
                    self.reader.open(store, object, 0).map(|()| Some(0))
                }
                Start::Likely => {
                    // A boundary is a newline and a brace: the newline may be the byte before.
                    self.reader.open(store, object, segment.start - 1)?;
                    self.reader.seek_line_start(segment.end)
                }
            })?;
            if number == 0 {
                found.began = began;
            }
            (found.ended, found.lines.1) = (None, 0);
            if began.is_some() {
                let end = self.segment(segment.end, &mut clock, take)?;
                found.ended = Some(end);
                found.lines.1 = self.decoder.lines();
            }
            if number == 0 {
                found.lines.0 = found.lines.1;
            }
            found
                .rejects
                .extend(self.decoder.take_rejects().into_iter().map(|r| (number, r)));
        }
        self.flush(&mut clock, take)?;
        found.counts = self.decoder.take_counts();
        let bytes = self.reader.take_bytes_read();
        self.stages
            .add_time(Stage::Read, clock.read, bytes, found.counts.records);
        self.stages
            .add_time(Stage::Decode, clock.decode, bytes, found.counts.records);
        Ok(found)
    }

    /// Decodes the segment that the reader stands in; gives where its records end.
    fn segment(
        &mut self,
        end: u64,
        clock: &mut Clock,
        take: &mut dyn FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<u64> {
        self.decoder.begin_segment();
        loop {
            let progress = clock.decode(|| self.decoder.decode(self.reader.chunk(), end));
            self.reader.consume(progress.consumed);
            self.progress.advance(self.reader.take_bytes_stored());
            match progress.stop {
                Stop::Hungry => clock.read(|| self.reader.fill())?,
                Stop::Full => self.flush(clock, take)?,
                Stop::Done => return Ok(self.reader.chunk().offset),
            }
        }
    }

    fn flush(
        &mut self,
        clock: &mut Clock,
        take: &mut dyn FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        if self.decoder.rows() == 0 {
            return Ok(());
        }
        let batch = clock
            .decode(|| self.decoder.finish())
            .map_err(Error::arrow)?;
        take(&batch)
    }
}

/// Time spent in the two stages that alternate.
#[derive(Debug, Default)]
struct Clock {
    read: Duration,
    decode: Duration,
}

impl Clock {
    fn read<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
        self.read += began.elapsed();
        done
    }

    fn decode<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
        self.decode += began.elapsed();
        done
    }
}
