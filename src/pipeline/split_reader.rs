//! Reads a split: reads and decodes its segments, and passes their rows on batch by batch.

use std::time::{Duration, Instant};

use arrow_array::RecordBatch;

use super::input_source::InputSource;
use super::run_context::ReadContext;
use super::split_stats::{SegmentKey, SplitStart, SplitStats};
use super::timings::PipelineStage;
use crate::decode::reject::Reject;
use crate::decode::{DecodeStatus, Decoder, InputState};
use crate::error::{Error, Result};
use crate::input::{ChunkReader, InputObject, ReadRange, Segment, Split};
use crate::interrupt;
use crate::storage::{ObjectRange, RangeReader};

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

/// One reading of a split.
struct SplitPass<'a> {
    /// The bytes of the segments, one after the other.
    input: Box<dyn RangeReader + 'a>,
    sink: &'a mut dyn RecordSink,
    timer: StageTimer,
    stats: SplitStats,
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
        // An earlier split that failed may have left state in the decoder.
        self.decoder.reset();
        let source = self.source;
        let tasks = self.segment_tasks(split, start);
        let ranges = tasks
            .iter()
            .filter_map(|task| Some((task.object.location_index, task.byte_range()?)));
        let mut timer = StageTimer::default();
        let mut pass = SplitPass {
            input: timer.time_read(|| source.range_reader(ranges)),
            sink,
            timer,
            stats: SplitStats::new(split.segments.len()),
        };
        for (number, task) in tasks.iter().enumerate() {
            self.read_segment(&mut pass, number, task)?;
        }
        self.flush_batch(&mut pass)?;
        pass.stats.counts = self.decoder.take_counts();
        pass.stats.has_more_unknown_keys = self.decoder.has_more_unknown_keys();
        self.record_timings(&pass);
        Ok(pass.stats)
    }

    /// Reads the part of a segment that belongs to the split.
    fn read_segment(
        &mut self,
        pass: &mut SplitPass<'_>,
        number: usize,
        task: &SegmentTask<'_>,
    ) -> Result<()> {
        let (records_before, kept_before) = (self.decoder.records(), self.decoder.kept());
        let records_start = self.open_segment(pass, task)?;
        if number == 0 {
            pass.stats.records_start = records_start;
        }
        let mut is_corrupt = false;
        (pass.stats.records_end, pass.stats.last_segment_newlines) = (None, 0);
        if let Some(records_start) = records_start {
            let records_end = self.decode_segment(pass, number, task)?;
            pass.stats.records_end = Some(records_end);
            pass.stats.last_segment_newlines = self.decoder.newlines();
            pass.stats.decoded_bytes += records_end - records_start;
            is_corrupt = matches!(self.reader.chunk().input_state, InputState::Corrupt(_));
        }
        let records = self.decoder.records() - records_before;
        let kept = self.decoder.kept() - kept_before;
        pass.stats.end_segment(records, kept, is_corrupt);
        if task.read_from.is_some() {
            pass.timer.time_read(|| pass.input.check_unchanged())?;
        }
        Ok(())
    }

    /// Opens a segment at its first record. Returns the offset of that record, or `None` if no record begins in
    /// the segment.
    fn open_segment(
        &mut self,
        pass: &mut SplitPass<'_>,
        task: &SegmentTask<'_>,
    ) -> Result<Option<u64>> {
        let Some(from) = task.read_from else {
            return Ok(None);
        };
        let end = task.segment.end;
        let range = ReadRange {
            start: from.offset(),
            expected_end: end,
        };
        let input = pass.input.as_mut();
        pass.timer.time_read(|| {
            let name = self.source.display(task.object);
            self.reader.open(input, task.object, name, range)?;
            match from {
                SegmentReadStart::RecordAt(at) => Ok(Some(at)),
                SegmentReadStart::LineAfter(_) => self.reader.seek_line_start(input, end),
            }
        })
    }

    /// Decodes the open segment. Returns the offset where its records end.
    fn decode_segment(
        &mut self,
        pass: &mut SplitPass<'_>,
        number: usize,
        task: &SegmentTask<'_>,
    ) -> Result<u64> {
        self.decoder
            .begin_segment(task.object.known_layout(task.segment.start));
        let origin = task.object.rejected_at.as_deref();
        let origin = origin.map(|origin| &origin.position);
        let newlines_before = origin.map_or(0, |origin| origin.line.saturating_sub(1));
        // The limit keeps the sum with a position in the text from overflowing.
        let first_offset = origin.map_or(0, |origin| origin.offset.min(u64::MAX >> 1));
        loop {
            let records_end = self.decode_chunk(pass, task.segment.end, first_offset)?;
            for mut reject in self.decoder.take_rejects() {
                if let Some(origin) = origin {
                    // Also the second record of an edited text was first rejected there.
                    (reject.line, reject.offset) = (newlines_before, origin.offset);
                }
                pass.sink.write_reject(task.object, &reject)?;
                pass.stats.count_reject(number, reject);
            }
            for mut key in self.decoder.take_unknown_keys() {
                let segment = number;
                if origin.is_some() {
                    key.line = newlines_before;
                }
                pass.stats.unknown_keys.push(SegmentKey { segment, key });
            }
            if let Some(records_end) = records_end {
                return Ok(records_end);
            }
        }
    }

    /// Adds the times of a pass to those of the run.
    fn record_timings(&mut self, pass: &SplitPass<'_>) {
        let (timings, stats) = (self.context.timings, &pass.stats);
        let (bytes, records) = (self.reader.take_bytes_read(), stats.counts.records);
        timings.record_duration(PipelineStage::Read, pass.timer.read, bytes, records);
        timings.record_duration(
            PipelineStage::Decode,
            pass.timer.decode,
            stats.decoded_bytes,
            records,
        );
    }

    /// Determines which part of each segment to read.
    fn segment_tasks(&self, split: &Split, start: SplitStart) -> Vec<SegmentTask<'a>> {
        let task = |(number, segment): (usize, &Segment)| {
            // Only the first segment can begin inside an object.
            let start = match number {
                0 => start,
                _ => SplitStart::NextLine,
            };
            SegmentTask {
                object: self.source.object(segment),
                segment: *segment,
                read_from: match start {
                    SplitStart::Skip => None,
                    SplitStart::Byte(at) => Some(SegmentReadStart::RecordAt(at)),
                    SplitStart::NextLine if segment.start == 0 => {
                        Some(SegmentReadStart::RecordAt(0))
                    }
                    SplitStart::NextLine => Some(SegmentReadStart::LineAfter(segment.start - 1)),
                },
            }
        };
        split.segments.iter().enumerate().map(task).collect()
    }

    /// Decodes the buffered bytes of the current segment, and then makes room or reads more, as the decoder
    /// needs. Returns the offset where the records of the segment end, once it is reached. `first_offset` is the
    /// offset of the first byte for the decoder.
    fn decode_chunk(
        &mut self,
        pass: &mut SplitPass<'_>,
        end: u64,
        first_offset: u64,
    ) -> Result<Option<u64>> {
        interrupt::ensure_running()?;
        let decoded = pass.timer.time_decode(|| {
            let mut chunk = self.reader.chunk();
            chunk.offset += first_offset;
            self.decoder.decode(chunk, end)
        });
        self.reader.consume(decoded.consumed);
        self.context
            .progress
            .advance(self.reader.take_bytes_stored());
        match decoded.status {
            DecodeStatus::NeedInput => {
                let input = pass.input.as_mut();
                pass.timer.time_read(|| self.reader.fill(input))?;
            }
            DecodeStatus::BatchFull => self.flush_batch(pass)?,
            DecodeStatus::SegmentEnd => return Ok(Some(self.reader.chunk().offset)),
        }
        Ok(None)
    }

    fn flush_batch(&mut self, pass: &mut SplitPass<'_>) -> Result<()> {
        let batch = pass
            .timer
            .time_decode(|| self.decoder.finish())
            .map_err(Error::from_arrow)?;
        // A batch can be full although all its records were rejected.
        if batch.num_rows() == 0 {
            return Ok(());
        }
        pass.sink.write_batch(&batch)
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
