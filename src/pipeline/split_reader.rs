//! One worker's way through a split: its segments read, decoded and handed on batch by batch.

use std::time::{Duration, Instant};

use arrow_array::RecordBatch;

use super::ReadContext;
use super::object_status::SegmentStatuses;
use super::source::Source;
use super::timings::Stage;
use crate::decode::reject::{Reject, RejectReason};
use crate::decode::{DecodeStatus, Decoder, InputState, RecordCounts};
use crate::error::{Error, Result};
use crate::input::{ChunkReader, InputObject, Segment, Split};
use crate::storage::{ObjectRange, RangeReader};

/// Where the records of a split's first segment begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StartAt {
    /// At the first line in it that begins with `{`, or at the start of the object: the guess.
    NextLine,
    /// At this byte of the object.
    Byte(u64),
    /// Nowhere: a record of the split before reaches over the whole segment.
    Skip,
}

/// What was found in a split, beside the batches.
#[derive(Debug)]
pub(super) struct SplitStats {
    /// Where the first segment's records began; nowhere if none begins in it.
    pub began: Option<u64>,
    /// Where the last segment's records ended; nowhere if it had none.
    pub ended: Option<u64>,
    /// Newlines in each of the first and the last segment (they can be the same).
    pub newlines: (u64, u64),
    /// Bytes from where the records of each segment began to where they ended, decompressed.
    pub decoded_bytes: u64,
    /// The counts over all segments.
    pub counts: RecordCounts,
    /// Records of each segment that became a row.
    pub kept_by_segment: Vec<u64>,
    /// The rejects, by [`RejectReason::ALL`].
    pub rejects_by_reason: [u64; RejectReason::ALL.len()],
    /// The first reject, and the number of its segment in the split.
    pub first_reject: Option<(usize, Reject)>,
    /// Rejects of the first segment. Their lines count from where its records began.
    pub first_segment_rejects: u64,
    /// Bytes that the rejects cover, decompressed.
    pub rejected_bytes: u64,
    /// What could be read of each segment.
    pub statuses: SegmentStatuses,
}

impl SplitStats {
    fn count_reject(&mut self, segment: usize, reject: Reject) {
        self.rejects_by_reason[reject.reason as usize] += 1;
        self.rejected_bytes += reject.bytes;
        self.statuses.add_reject(&reject);
        self.first_segment_rejects += u64::from(segment == 0);
        self.first_reject.get_or_insert((segment, reject));
    }
}

/// What takes the rows and the rejects of a split.
pub(super) trait RecordSink {
    /// Takes a batch of rows.
    ///
    /// # Errors
    /// It cannot be turned into the star or written.
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Takes a reject of an object.
    ///
    /// # Errors
    /// It cannot be written.
    fn write_reject(&mut self, object: &InputObject, reject: &Reject) -> Result<()>;
}

/// What is to be read of one segment.
struct SegmentTask<'a> {
    object: &'a InputObject,
    segment: Segment,
    /// Nowhere if no record begins in it.
    read_from: Option<ReadFrom>,
}

/// Where reading begins.
#[derive(Clone, Copy)]
enum ReadFrom {
    /// At a record.
    RecordAt(u64),
    /// One byte before the first that a record can begin at: a boundary is a newline and a brace, and
    /// this byte can be the newline.
    LineAfter(u64),
}

impl ReadFrom {
    fn offset(self) -> u64 {
        match self {
            Self::RecordAt(byte) | Self::LineAfter(byte) => byte,
        }
    }
}

impl SegmentTask<'_> {
    fn byte_range(&self) -> Option<ObjectRange> {
        let from = self.read_from?;
        Some(self.object.range(from.offset(), self.segment.end))
    }
}

/// A decoder and a buffer, used for split after split.
pub(super) struct SplitReader<'a> {
    source: &'a Source,
    context: ReadContext<'a>,
    decoder: Decoder,
    reader: ChunkReader,
}

impl<'a> SplitReader<'a> {
    /// A reader of splits of `source`.
    pub(super) fn new(context: ReadContext<'a>, source: &'a Source) -> Self {
        let sizes = context.sizes;
        Self {
            source,
            context,
            decoder: Decoder::new(source.schema(), sizes.row_group_rows),
            reader: ChunkReader::new(sizes.chunk_bytes),
        }
    }

    /// Reads a split and gives its rows and rejects to `sink`.
    ///
    /// # Errors
    /// An object cannot be read, or `sink` failed.
    pub(super) fn read(
        &mut self,
        split: &Split,
        start: StartAt,
        sink: &mut dyn RecordSink,
    ) -> Result<SplitStats> {
        let mut timer = StageTimer::default();
        let mut stats = SplitStats {
            began: None,
            ended: None,
            newlines: (0, 0),
            decoded_bytes: 0,
            counts: RecordCounts::default(),
            kept_by_segment: Vec::with_capacity(split.segments.len()),
            rejects_by_reason: [0; RejectReason::ALL.len()],
            first_reject: None,
            first_segment_rejects: 0,
            rejected_bytes: 0,
            statuses: SegmentStatuses::with_capacity(split.segments.len()),
        };
        // A split that failed half way may have left something.
        self.decoder.reset();
        let source = self.source;
        let tasks = self.segment_tasks(split, start);
        let ranges = tasks
            .iter()
            .filter_map(|task| Some((task.object.location_index, task.byte_range()?)));
        let mut input = timer.time_read(|| source.read(ranges));
        let input = input.as_mut();
        for (number, task) in tasks.into_iter().enumerate() {
            let SegmentTask {
                object,
                segment,
                read_from: from,
            } = task;
            let records_start = timer.time_read(|| {
                let Some(from) = from else {
                    return Ok(None);
                };
                let name = source.display(object);
                let range = (from.offset(), segment.end);
                self.reader.open(input, object, name, range)?;
                match from {
                    ReadFrom::RecordAt(at) => Ok(Some(at)),
                    ReadFrom::LineAfter(_) => self.reader.seek_line_start(input, segment.end),
                }
            })?;
            if number == 0 {
                stats.began = records_start;
            }
            let kept_before = self.decoder.kept();
            let records_before = self.decoder.records();
            let mut is_corrupt = false;
            (stats.ended, stats.newlines.1) = (None, 0);
            if let Some(began) = records_start {
                // Only an object that is read from its first byte on tells its layout by itself.
                let layout = (segment.start > 0).then_some(object.layout);
                self.decoder.begin_segment(layout);
                while stats.ended.is_none() {
                    stats.ended = self.decode_chunk(input, segment.end, &mut timer, sink)?;
                    for reject in self.decoder.take_rejects() {
                        sink.write_reject(object, &reject)?;
                        stats.count_reject(number, reject);
                    }
                }
                stats.newlines.1 = self.decoder.newlines();
                stats.decoded_bytes += stats.ended.map_or(0, |records_end| records_end - began);
                is_corrupt = matches!(self.reader.chunk().input_state, InputState::Corrupt(_));
            }
            let records = self.decoder.records() - records_before;
            stats.statuses.end_segment(records, is_corrupt);
            if from.is_some() {
                timer.time_read(|| input.check_unchanged())?;
            }
            if number == 0 {
                stats.newlines.0 = stats.newlines.1;
            }
            stats
                .kept_by_segment
                .push(self.decoder.kept() - kept_before);
        }
        self.flush_batch(&mut timer, sink)?;
        stats.counts = self.decoder.take_counts();
        let bytes = self.reader.take_bytes_read();
        let (timings, records) = (self.context.timings, stats.counts.records);
        timings.record_duration(Stage::Read, timer.read, bytes, records);
        timings.record_duration(Stage::Decode, timer.decode, stats.decoded_bytes, records);
        Ok(stats)
    }

    /// What is to be read of each segment.
    fn segment_tasks(&self, split: &Split, start: StartAt) -> Vec<SegmentTask<'a>> {
        let task = |(number, segment): (usize, &Segment)| {
            let object = self.source.objects.get(segment.object)?;
            let start = if number == 0 {
                start
            } else {
                StartAt::NextLine
            };
            Some(SegmentTask {
                object,
                segment: *segment,
                read_from: match start {
                    StartAt::Skip => None,
                    StartAt::Byte(at) => Some(ReadFrom::RecordAt(at)),
                    StartAt::NextLine if segment.start == 0 => Some(ReadFrom::RecordAt(0)),
                    StartAt::NextLine => Some(ReadFrom::LineAfter(segment.start - 1)),
                },
            })
        };
        split.segments.iter().enumerate().filter_map(task).collect()
    }

    /// Decodes what is at hand of the segment that the reader stands in, and sees to it that there is
    /// more to decode; gives where the segment's records end once that is reached.
    fn decode_chunk(
        &mut self,
        input: &mut dyn RangeReader,
        end: u64,
        timer: &mut StageTimer,
        sink: &mut dyn RecordSink,
    ) -> Result<Option<u64>> {
        let progress = timer.time_decode(|| self.decoder.decode(self.reader.chunk(), end));
        self.reader.consume(progress.consumed);
        self.context
            .progress
            .advance(self.reader.take_bytes_stored());
        match progress.status {
            DecodeStatus::NeedInput => timer.time_read(|| self.reader.fill(input))?,
            DecodeStatus::BatchFull => self.flush_batch(timer, sink)?,
            DecodeStatus::SegmentEnd => return Ok(Some(self.reader.chunk().offset)),
        }
        Ok(None)
    }

    fn flush_batch(&mut self, timer: &mut StageTimer, sink: &mut dyn RecordSink) -> Result<()> {
        let batch = timer
            .time_decode(|| self.decoder.finish())
            .map_err(Error::from_arrow)?;
        // A batch can be full of what rejected records left behind.
        if batch.num_rows() == 0 {
            return Ok(());
        }
        sink.write_batch(&batch)
    }
}

/// Time spent in the two stages that alternate.
#[derive(Debug, Default)]
struct StageTimer {
    read: Duration,
    decode: Duration,
}

impl StageTimer {
    fn time_read<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = work();
        self.read += began.elapsed();
        result
    }

    fn time_decode<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = work();
        self.decode += began.elapsed();
        result
    }
}
