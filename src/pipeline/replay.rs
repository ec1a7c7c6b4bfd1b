//! Replays the rejects of an earlier run: each text becomes a small object, which is read like any other. A text that is
//! rejected again keeps the position where it was rejected first.

use std::borrow::Cow;
use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{BufWriter, Write};
use std::sync::Arc;
use std::time::Instant;

use super::input_source::{InputContents, InputSource, InputSources};
use super::reject_texts::{CarriedOver, RejectTexts, ReplayedFile, spool_error};
use super::run_context::RunContext;
use super::split_stats::ObjectCounts;
use super::timings::{PipelineStage, Timings};
use crate::config::ReplayInput;
use crate::decode::reject::RejectReason;
use crate::decode::sniff::{RecordLayout, detect_layout};
use crate::error::{Error, Result};
use crate::input::{InputObject, RecordKind, RejectOrigin, RejectPosition, plan_splits};
use crate::observer::Observer;
use crate::output::{LineShift, RejectBuffer, RejectFile, RejectLine, RejectedRun};
use crate::storage::{Location, ObjectMeta, ObjectVersion, StoreOpener};

/// Reads the rejects to replay, and plans their splits. Warns if a later run failed, whose rejects are others. The texts
/// are kept in a temporary file. Memory holds about 250 bytes for each reject, and as much again for each line of an
/// edited file.
///
/// # Errors
/// Returns an error if the rejects cannot be read, if there are none, or if a line of an edited file cannot be used.
pub(super) fn open_rejects(
    input: &ReplayInput,
    stores: &StoreOpener,
    split_bytes: Option<u64>,
    timings: &Timings,
    observer: &dyn Observer,
) -> Result<InputSources> {
    let _span = tracing::info_span!("rejects").entered();
    let began = Instant::now();
    let run = RejectedRun::open(stores, &input.from)?;
    if let Some(failed) = run.later_failure() {
        observer.warn(&format!(
            "a later run failed, and its rejects are not among those of run {}: see sparkify rejects {failed}",
            run.id()
        ));
    }
    let mut collector = RejectCollector::new()?;
    if input.edited.is_empty() {
        for file in run.files() {
            collector.begin_file();
            file.read_lines(|number, line| {
                collector.add(file, number, &line)?;
                Ok(())
            })?;
        }
    } else {
        let edited = EditedRejects::read(&mut collector, stores, &input.edited)?;
        edited.match_with(&mut collector, &run)?;
    }
    let RejectCollector {
        texts, songs, logs, ..
    } = collector;
    let (objects, carried_over) = (
        songs.objects.len() + logs.objects.len(),
        songs.carried_over.rejects() + logs.carried_over.rejects(),
    );
    if objects == 0 && carried_over == 0 {
        let reason = match input.edited.is_empty() {
            true => format!("run {} has no rejects", run.id()),
            false => "the edited files have no rejects".to_owned(),
        };
        return Err(
            Error::failed(format!("nothing to replay in {}", input.from)).with_reason(reason),
        );
    }
    let texts = texts
        .into_inner()
        .map_err(|e| spool_error(e.into_error()))?;
    let texts = Arc::new(texts);
    let source = |kind, rejects: CollectedRejects, resolved: Vec<Location>| {
        rejects.into_source(kind, &texts, resolved, split_bytes)
    };
    let songs = source(RecordKind::Song, songs, vec![run.location().clone()])?;
    let logs = source(RecordKind::Log, logs, input.edited.clone())?;
    let bytes = songs.plan.bytes + logs.plan.bytes;
    timings.record(PipelineStage::List, began, bytes, objects as u64);
    tracing::info!(run = run.id(), objects, carried_over, "read the rejects");
    Ok(InputSources {
        songs,
        logs,
        replayed_run: Some(run.id().to_owned()),
    })
}

/// Writes the rejects that cannot be replayed to the rejects of this run, and warns about them.
///
/// # Errors
/// Returns an error if the rejects cannot be written.
pub(super) fn carry_over_rejects(run: &RunContext<'_>) -> Result<()> {
    let mut rejects = 0;
    for source in [&run.songs, &run.logs] {
        let InputContents::Rejects(texts) = source.contents() else {
            continue;
        };
        let mut buffer = RejectBuffer::default();
        texts
            .carried_over
            .for_each(|line| buffer.carry_over(run.staging.reject_context(), line))?;
        // The numbers before are those of the splits.
        let number = source.plan.splits.len();
        let no_shift = LineShift {
            rejects: 0,
            lines: 0,
        };
        run.staging
            .write_rejects(source.kind, number, buffer, no_shift)?;
        rejects += texts.carried_over.rejects();
    }
    if rejects > 0 {
        run.progress.warn(&format!(
            "{rejects} of the rejects cannot be replayed, because the text is cut or absent: fix the object, which \
             the next run reads again when it has changed, or put the complete text into an edited copy without \
             \"truncated\""
        ));
    }
    Ok(())
}

/// Collects rejects, with their texts in a temporary file.
#[derive(Debug)]
struct RejectCollector {
    texts: BufWriter<File>,
    /// The number of bytes in the file.
    length: u64,
    songs: CollectedRejects,
    logs: CollectedRejects,
    /// The names of the objects, each stored once.
    object_names: HashSet<Arc<str>>,
}

/// The collected rejects of one kind.
#[derive(Debug, Default)]
struct CollectedRejects {
    /// The texts.
    objects: Vec<InputObject>,
    files: Vec<ReplayedFile>,
    /// Whether the last of the files is the one that is being read.
    has_current_file: bool,
    carried_over: CarriedOver,
}

/// A collected reject.
#[derive(Debug, Clone)]
struct CollectedReject {
    position: RejectPosition,
    /// The index of its text among the objects of its kind, unless it cannot be replayed.
    object: Option<usize>,
}

impl RejectCollector {
    fn new() -> Result<Self> {
        let texts = tempfile::tempfile().map_err(spool_error)?;
        Ok(Self {
            texts: BufWriter::new(texts),
            length: 0,
            songs: CollectedRejects::default(),
            logs: CollectedRejects::default(),
            object_names: HashSet::new(),
        })
    }

    fn rejects_of(&mut self, kind: RecordKind) -> &mut CollectedRejects {
        match kind {
            RecordKind::Song => &mut self.songs,
            RecordKind::Log => &mut self.logs,
        }
    }

    /// Sets the layout of the text of a reject, if it can be replayed.
    fn set_layout(&mut self, reject: &CollectedReject, layout: Option<RecordLayout>) {
        let objects = &mut self.rejects_of(reject.position.kind).objects;
        let text = reject.object.map(|object| &mut objects[object]);
        if let Some(origin) = text.and_then(|text| text.rejected_at.as_mut()) {
            origin.layout = layout;
        }
    }

    /// Prepares for the rejects of the next file.
    fn begin_file(&mut self) {
        self.songs.has_current_file = false;
        self.logs.has_current_file = false;
    }

    /// Adds a reject, which is line `number` of `file`.
    fn add(
        &mut self,
        file: &RejectFile,
        number: u64,
        line: &RejectLine<'_>,
    ) -> Result<CollectedReject> {
        let position = self.position_of(file, number, line)?;
        let kind = position.kind;
        let rejects = self.rejects_of(kind);
        if !rejects.has_current_file {
            rejects.has_current_file = true;
            rejects.files.push(ReplayedFile {
                name: file.absolute_name(),
                etag: file.etag(),
                carried_over: ObjectCounts::default(),
            });
        }
        let file_index = rejects.files.len() - 1;
        if !line.is_replayable() {
            rejects.carried_over.add(line)?;
            rejects.files[file_index].count_carried_over(line);
            return Ok(CollectedReject {
                position,
                object: None,
            });
        }
        let text = line
            .decode_text()
            .map_err(|reason| file.line_error(number, reason))?;
        let object = InputObject {
            meta: ObjectMeta {
                key: self.length.to_string(),
                size: text.len() as u64,
                version: ObjectVersion::Unknown,
            },
            location_index: 0,
            compression: None,
            layout: RecordLayout::Sequence,
            is_sniffed: true,
            rejected_at: Some(Box::new(RejectOrigin {
                position: position.clone(),
                file: file_index,
                layout: original_layout(line),
            })),
        };
        self.texts.write_all(&text).map_err(spool_error)?;
        self.length += text.len() as u64;
        let objects = &mut self.rejects_of(kind).objects;
        objects.push(object);
        Ok(CollectedReject {
            position,
            object: Some(objects.len() - 1),
        })
    }

    fn position_of(
        &mut self,
        file: &RejectFile,
        number: u64,
        line: &RejectLine<'_>,
    ) -> Result<RejectPosition> {
        let kind = line.kind.ok_or_else(|| {
            file.line_error(
                number,
                "it has no kind, and the name of the file does not tell it",
            )
            .with_hint(
                "add \"kind\":\"log\" or \"kind\":\"song\", or give the file the name of the \
                     original, such as logs-00000.jsonl",
            )
        })?;
        let object = match self.object_names.get(line.object.as_ref()) {
            Some(name) => Arc::clone(name),
            None => {
                let name: Arc<str> = line.object.as_ref().into();
                self.object_names.insert(Arc::clone(&name));
                name
            }
        };
        Ok(RejectPosition {
            kind,
            object,
            line: line.line,
            offset: line.offset,
        })
    }
}

/// Returns the layout of a text that is as it was: a part of an object whose first bytes are not known, unless it is
/// the whole object, of another format.
fn original_layout(line: &RejectLine<'_>) -> Option<RecordLayout> {
    (line.reason != RejectReason::NotJson.name()).then_some(RecordLayout::Sequence)
}

/// Returns the layout of a text that a person edited. It is detected as in an object, but records without the brackets
/// of an array may have commas, and the bracket that followed the element.
fn edited_layout(text: &[u8]) -> Option<RecordLayout> {
    (detect_layout(text, true) == Some(RecordLayout::Sequence)).then_some(RecordLayout::Elements)
}

impl CollectedRejects {
    /// Returns the input that has the texts as its objects.
    fn into_source(
        mut self,
        kind: RecordKind,
        texts: &Arc<File>,
        resolved_locations: Vec<Location>,
        split_bytes: Option<u64>,
    ) -> Result<InputSource> {
        self.carried_over.flush()?;
        let plan = plan_splits(&self.objects, split_bytes);
        let contents = InputContents::Rejects(RejectTexts {
            texts: Arc::clone(texts),
            files: self.files,
            carried_over: self.carried_over,
        });
        Ok(InputSource::new(
            kind,
            self.objects,
            plan,
            contents,
            resolved_locations,
        ))
    }
}

/// The rejects of edited files, which are not matched with those of the run yet.
struct EditedRejects {
    files: Vec<RejectFile>,
    rejects: Vec<EditedReject>,
    /// The rejects of the run with the same positions and texts.
    same: HashMap<(RejectPosition, u64), SameRejects>,
    /// The number of other rejects of the run at each position.
    others: HashMap<RejectPosition, u64>,
}

/// Rejects of the run with one position and one text.
#[derive(Default)]
struct SameRejects {
    /// Their number.
    count: u64,
    /// The layout of the text.
    layout: Option<RecordLayout>,
}

/// A line of an edited file.
struct EditedReject {
    collected: CollectedReject,
    /// The index of the file.
    file: usize,
    /// The number of the line in the file.
    line: u64,
    /// The run that the line names.
    run: Arc<str>,
    text_hash: u64,
    is_matched: bool,
}

impl EditedRejects {
    /// Reads edited files. Each text is taken for an edited one, until it turns out to be as it was.
    fn read(
        collector: &mut RejectCollector,
        stores: &StoreOpener,
        locations: &[Location],
    ) -> Result<Self> {
        let mut files = Vec::new();
        let mut rejects: Vec<EditedReject> = Vec::new();
        let (mut same, mut others) = (HashMap::new(), HashMap::new());
        for (file_index, location) in locations.iter().enumerate() {
            let opened = RejectFile::open(stores, location);
            let file = opened.map_err(|error| error.or_hint("check --edited"))?;
            collector.begin_file();
            file.read_lines(|number, line| {
                let text = check_edited(&file, number, &line)?;
                let collected = collector.add(&file, number, &line)?;
                collector.set_layout(&collected, edited_layout(&text));
                let text_hash = hash_text(&text);
                let position = &collected.position;
                same.insert((position.clone(), text_hash), SameRejects::default());
                others.insert(position.clone(), 0);
                let run = match rejects.last() {
                    Some(last) if *last.run == *line.run => Arc::clone(&last.run),
                    _ => line.run.as_ref().into(),
                };
                rejects.push(EditedReject {
                    collected,
                    file: file_index,
                    line: number,
                    run,
                    text_hash,
                    is_matched: false,
                });
                Ok(())
            })?;
            files.push(file);
        }
        Ok(Self {
            files,
            rejects,
            same,
            others,
        })
    }

    /// Checks that each line is a reject of the run, and that no reject is there more often than in the run. Lines with
    /// the text of a reject are matched before those that were edited, so that the order of the lines does not matter.
    fn match_with(mut self, collector: &mut RejectCollector, run: &RejectedRun) -> Result<()> {
        for file in run.files() {
            file.read_lines(|number, line| {
                let position = collector.position_of(file, number, &line)?;
                let Some(others) = self.others.get_mut(&position) else {
                    return Ok(());
                };
                let text = line.decode_text().unwrap_or_default();
                match self.same.get_mut(&(position, hash_text(&text))) {
                    Some(same) => {
                        same.count += 1;
                        same.layout = original_layout(&line);
                    }
                    None => *others += 1,
                }
                Ok(())
            })?;
        }
        for reject in &mut self.rejects {
            let key = (reject.collected.position.clone(), reject.text_hash);
            if let Some(same) = self.same.get_mut(&key).filter(|same| same.count > 0) {
                same.count -= 1;
                reject.is_matched = true;
                collector.set_layout(&reject.collected, same.layout);
            }
        }
        for ((position, _), same) in self.same.drain() {
            *self.others.entry(position).or_default() += same.count;
        }
        for reject in self.rejects.iter_mut().filter(|r| !r.is_matched) {
            let others = self.others.get_mut(&reject.collected.position);
            if let Some(others) = others.filter(|others| **others > 0) {
                *others -= 1;
                reject.is_matched = true;
            }
        }
        match self.rejects.iter().find(|reject| !reject.is_matched) {
            None => Ok(()),
            Some(reject) => Err(self.unmatched_error(reject, run)),
        }
    }

    fn unmatched_error(&self, reject: &EditedReject, run: &RejectedRun) -> Error {
        let RejectPosition {
            object,
            line,
            offset,
            ..
        } = &reject.collected.position;
        let position = format!("{object} line {line} offset {offset}");
        let is_repeated = self
            .rejects
            .iter()
            .any(|other| other.is_matched && other.collected.position == reject.collected.position);
        let error = |reason: String| self.files[reject.file].line_error(reject.line, reason);
        if is_repeated {
            return error(format!("it repeats the reject of {position}"))
                .with_hint("put several records into the text of one line");
        }
        let (in_run, location) = (run.id(), run.location());
        let error = error(format!(
            "run {in_run} in {location} has no reject of {position}"
        ));
        match *reject.run == *in_run {
            true => error.with_hint("change the text, but neither object, line nor offset"),
            false => error.with_hint(format!(
                "the line is of run {}: name its output with --from",
                reject.run
            )),
        }
    }
}

/// Checks what a person may have done to a line, and returns its text.
fn check_edited<'a>(
    file: &RejectFile,
    number: u64,
    line: &'a RejectLine<'_>,
) -> Result<Cow<'a, [u8]>> {
    let error = |reason: &str| file.line_error(number, reason);
    let text = line.decode_text().map_err(|reason| {
        let hint = match line.text.is_some() {
            true => "remove text_base64 from a line whose text you wrote",
            false => "copy the line from the reject file again",
        };
        error(&reason).with_hint(hint)
    })?;
    if text.trim_ascii().is_empty() && !line.truncated && line.bytes > 0 {
        return Err(error("its text is empty").with_hint("remove the line to leave the reject out"));
    }
    Ok(text)
}

/// Returns a hash that tells whether a text was edited.
fn hash_text(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
