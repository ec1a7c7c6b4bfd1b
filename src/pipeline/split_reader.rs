//! Reads a split: reads and decodes its segments, and passes their rows on batch by batch.

use std::time::{Duration, Instant};

use arrow_array::RecordBatch;

use super::ReadContext;
use super::input_source::InputSource;
use super::readability::SegmentStatuses;
use super::timings::PipelineStage;
use crate::decode::reject::{Reject, RejectReason};
use crate::decode::{DecodeStatus, Decoder, InputState, RecordCounts};
use crate::error::{Error, Result};
use crate::input::{ChunkReader, InputObject, Segment, Split};
use crate::storage::{ObjectRange, RangeReader};

/// Where the records of a split's first segment begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SplitStart {
    /// At the first line of the segment that begins with `{`, or at the start of the object. This is a prediction.
    NextLine,
    /// At this byte of the object.
    Byte(u64),
    /// Nowhere, because a record of the previous split extends over the complete segment.
    Skip,
}

/// The statistics of a split.
#[derive(Debug)]
pub(super) struct SplitStats {
    /// The offset where the records of the first segment start, or `None` if no record starts in it.
    pub records_start: Option<u64>,
    /// The offset where the records of the last segment end, or `None` if it has no records.
    pub records_end: Option<u64>,
    /// Newlines in the first and in the last segment, which can be the same segment.
    pub newlines: (u64, u64),
    /// Decompressed bytes from the start to the end of the records of each segment, summed over the segments.
    pub decoded_bytes: u64,
    /// The record counts of all segments.
    pub counts: RecordCounts,
    /// Records of each segment that became a row.
    pub kept_by_segment: Vec<u64>,
    /// The number of rejects by reason, in the order of [`RejectReason::ALL`].
    pub rejects_by_reason: [u64; RejectReason::ALL.len()],
    /// The first reject, and the number of its segment in the split.
    pub first_reject: Option<(usize, Reject)>,
    /// Rejects of the first segment. Their line numbers count from the start of the records of the segment.
    pub first_segment_rejects: u64,
    /// Decompressed bytes that the rejects cover.
    pub rejected_bytes: u64,
    /// How much of each segment could be read.
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

/// Receives the rows and the rejects of a split.
pub(super) trait RecordSink {
    /// Writes a batch of rows.
    ///
    /// # Errors
    /// Returns an error if the rows cannot be transformed or written.
    fn write_batch(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes a reject of an object.
    ///
    /// # Errors
    /// Returns an error if the reject cannot be written.
    fn write_reject(&mut self, object: &InputObject, reject: &Reject) -> Result<()>;
}

/// The part of a segment to read.
struct SegmentTask<'a> {
    object: &'a InputObject,
    segment: Segment,
    /// Where to read from, or `None` if no record begins in the segment.
    read_from: Option<SegmentReadStart>,
}

/// Where reading a segment begins.
#[derive(Clone, Copy)]
enum SegmentReadStart {
    /// At this offset, where a record begins.
    RecordAt(u64),
    /// At this offset, one byte before the first one where a record can begin. A boundary is a newline and a
    /// brace, and the newline can be at this offset.
    LineAfter(u64),
}

impl SegmentReadStart {
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

/// Reads one split after another, and reuses its decoder and its buffer.
pub(super) struct SplitReader<'a> {
    source: &'a InputSource,
    context: ReadContext<'a>,
    decoder: Decoder,
    reader: ChunkReader,
}

impl<'a> SplitReader<'a> {
    /// Creates a reader of splits of `source`.
    pub(super) fn new(context: ReadContext<'a>, source: &'a InputSource) -> Self {
        let sizes = context.sizes;
        Self {
            source,
            context,
            decoder: Decoder::new(source.schema(), sizes.row_group_rows),
            reader: ChunkReader::new(sizes.chunk_bytes),
        }
    }

    /// Reads a split and passes its rows and rejects to `sink`.
    ///
    /// # Errors
    /// Returns an error if an object cannot be read, or if `sink` returns one.
    pub(super) fn read(
        &mut self,
        split: &Split,
        start: SplitStart,
        sink: &mut dyn RecordSink,
    ) -> Result<SplitStats> {
        let mut timer = StageTimer::default();
        let mut stats = SplitStats {
            records_start: None,
            records_end: None,
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
        // An earlier split that failed may have left state in the decoder.
        self.decoder.reset();
        let source = self.source;
        let tasks = self.segment_tasks(split, start);
        let ranges = tasks
            .iter()
            .filter_map(|task| Some((task.object.location_index, task.byte_range()?)));
        let mut input = timer.time_read(|| source.range_reader(ranges));
        let input = input.as_mut();
        for (number, task) in tasks.into_iter().enumerate() {
            let SegmentTask {
                object,
                segment,
                read_from,
            } = task;
            let records_start = timer.time_read(|| {
                let Some(from) = read_from else {
                    return Ok(None);
                };
                let name = source.display(object);
                let range = (from.offset(), segment.end);
                self.reader.open(input, object, name, range)?;
                match from {
                    SegmentReadStart::RecordAt(at) => Ok(Some(at)),
                    SegmentReadStart::LineAfter(_) => {
                        self.reader.seek_line_start(input, segment.end)
                    }
                }
            })?;
            if number == 0 {
                stats.records_start = records_start;
            }
            let kept_before = self.decoder.kept();
            let records_before = self.decoder.records();
            let mut is_corrupt = false;
            (stats.records_end, stats.newlines.1) = (None, 0);
            if let Some(records_start) = records_start {
                // The decoder can detect the layout only if it reads an object from its first byte.
                let layout = (segment.start > 0).then_some(object.layout);
                self.decoder.begin_segment(layout);
                while stats.records_end.is_none() {
                    stats.records_end = self.decode_chunk(input, segment.end, &mut timer, sink)?;
                    for reject in self.decoder.take_rejects() {
                        sink.write_reject(object, &reject)?;
                        stats.count_reject(number, reject);
                    }
                }
                stats.newlines.1 = self.decoder.newlines();
                stats.decoded_bytes += stats.records_end.map_or(0, |end| end - records_start);
                is_corrupt = matches!(self.reader.chunk().input_state, InputState::Corrupt(_));
            }
            let records = self.decoder.records() - records_before;
            stats.statuses.end_segment(records, is_corrupt);
            if read_from.is_some() {
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
        timings.record_duration(PipelineStage::Read, timer.read, bytes, records);
        timings.record_duration(
            PipelineStage::Decode,
            timer.decode,
            stats.decoded_bytes,
            records,
        );
        Ok(stats)
    }

    /// Determines which part of each segment to read.
    fn segment_tasks(&self, split: &Split, start: SplitStart) -> Vec<SegmentTask<'a>> {
        let task = |(number, segment): (usize, &Segment)| {
            let object = self.source.objects.get(segment.object)?;
            let start = if number == 0 {
                start
            } else {
                SplitStart::NextLine
            };
            Some(SegmentTask {
                object,
                segment: *segment,
                read_from: match start {
                    SplitStart::Skip => None,
                    SplitStart::Byte(at) => Some(SegmentReadStart::RecordAt(at)),
                    SplitStart::NextLine if segment.start == 0 => {
                        Some(SegmentReadStart::RecordAt(0))
                    }
                    SplitStart::NextLine => Some(SegmentReadStart::LineAfter(segment.start - 1)),
                },
            })
        };
        split.segments.iter().enumerate().filter_map(task).collect()
    }

    /// Decodes the buffered bytes of the current segment, and then makes room or reads more, as the decoder
    /// needs. Returns the offset where the records of the segment end, once it is reached.
    fn decode_chunk(
        &mut self,
        input: &mut dyn RangeReader,
        end: u64,
        timer: &mut StageTimer,
        sink: &mut dyn RecordSink,
    ) -> Result<Option<u64>> {
        let decoded = timer.time_decode(|| self.decoder.decode(self.reader.chunk(), end));
        self.reader.consume(decoded.consumed);
        self.context
            .progress
            .advance(self.reader.take_bytes_stored());
        match decoded.status {
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
        // A batch can be full although all its records were rejected.
        if batch.num_rows() == 0 {
            return Ok(());
        }
        sink.write_batch(&batch)
    }
}

/// The time spent in the two stages that alternate.
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
