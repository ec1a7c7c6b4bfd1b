//! Replays the rejects of an earlier run: each text becomes a small object, which is read like any other. A text that is
//! rejected again keeps the place where it was rejected first.

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
use crate::decode::sniff::RecordLayout;
use crate::error::{Error, Result};
use crate::input::{InputObject, RecordKind, RejectOrigin, plan_splits};
use crate::observer::Observer;
use crate::output::{LineShift, RejectBuffer, RejectFile, RejectLine, RejectedRun};
use crate::storage::{Location, ObjectMeta, ObjectVersion, StoreOpener};

/// Reads the rejects to replay, and plans their splits. The texts are kept in a temporary file. Memory holds about 250
/// bytes for each reject, and as much again for each line of an edited file.
///
/// # Errors
/// Returns an error if the rejects cannot be read, if there are none, or if a line of an edited file cannot be used.
pub(super) fn open_rejects(
    input: &ReplayInput,
    stores: &StoreOpener,
    split_bytes: Option<u64>,
    timings: &Timings,
) -> Result<InputSources> {
    let _span = tracing::info_span!("rejects").entered();
    let began = Instant::now();
    let run = RejectedRun::open(stores, &input.from)?;
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
            "{rejects} of the rejects cannot be replayed, because the text is cut or absent: mend the object, which \
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
    place: RejectPlace,
    /// The index of its text among the objects of its kind, unless it cannot be replayed.
    object: Option<usize>,
}

/// Where a record was rejected first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RejectPlace {
    kind: RecordKind,
    object: Arc<str>,
    line: u64,
    offset: u64,
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

    fn of_kind(&mut self, kind: RecordKind) -> &mut CollectedRejects {
        match kind {
            RecordKind::Song => &mut self.songs,
            RecordKind::Log => &mut self.logs,
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
        let place = self.place_of(file, number, line)?;
        let kind = place.kind;
        let rejects = self.of_kind(kind);
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
                place,
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
                object: Arc::clone(&place.object),
                line: line.line.saturating_sub(1),
                offset: line.offset,
                file: file_index,
                is_fragment: is_fragment(line),
            })),
        };
        self.texts.write_all(&text).map_err(spool_error)?;
        self.length += text.len() as u64;
        let objects = &mut self.of_kind(kind).objects;
        objects.push(object);
        Ok(CollectedReject {
            place,
            object: Some(objects.len() - 1),
        })
    }

    fn place_of(
        &mut self,
        file: &RejectFile,
        number: u64,
        line: &RejectLine<'_>,
    ) -> Result<RejectPlace> {
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
        Ok(RejectPlace {
            kind,
            object,
            line: line.line,
            offset: line.offset,
        })
    }
}

/// Returns true if the text did not tell the format of its object.
fn is_fragment(line: &RejectLine<'_>) -> bool {
    line.reason != RejectReason::NotJson.name()
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
    /// The numbers of the rejects by their place, in order.
    by_place: HashMap<RejectPlace, Vec<usize>>,
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
    /// Reads edited files. Each text is taken for an object of its own, until it turns out to be as it was.
    fn read(
        collector: &mut RejectCollector,
        stores: &StoreOpener,
        locations: &[Location],
    ) -> Result<Self> {
        let mut files = Vec::new();
        let mut rejects: Vec<EditedReject> = Vec::new();
        let mut by_place: HashMap<RejectPlace, Vec<usize>> = HashMap::new();
        for (file_index, location) in locations.iter().enumerate() {
            let opened = RejectFile::open(stores, location);
            let file = opened.map_err(|error| error.or_hint("check --edited"))?;
            collector.begin_file();
            file.read_lines(|number, line| {
                check_edited(&file, number, &line)?;
                let collected = collector.add(&file, number, &line)?;
                if let Some(object) = collected.object {
                    let objects = &mut collector.of_kind(collected.place.kind).objects;
                    set_fragment(&mut objects[object], false);
                }
                let place = collected.place.clone();
                by_place.entry(place).or_default().push(rejects.len());
                let run = match rejects.last() {
                    Some(last) if *last.run == *line.run => Arc::clone(&last.run),
                    _ => line.run.as_ref().into(),
                };
                rejects.push(EditedReject {
                    collected,
                    file: file_index,
                    line: number,
                    run,
                    text_hash: text_hash(&line),
                    is_matched: false,
                });
                Ok(())
            })?;
            files.push(file);
        }
        Ok(Self {
            files,
            rejects,
            by_place,
        })
    }

    /// Checks that each line is a reject of the run, and that no reject is there more often than in the run.
    fn match_with(mut self, collector: &mut RejectCollector, run: &RejectedRun) -> Result<()> {
        for file in run.files() {
            file.read_lines(|number, line| {
                let place = collector.place_of(file, number, &line)?;
                let Some(edited) = self.by_place.get_mut(&place).filter(|e| !e.is_empty()) else {
                    return Ok(());
                };
                let original = text_hash(&line);
                let same = edited
                    .iter()
                    .position(|&number| self.rejects[number].text_hash == original);
                let reject = &mut self.rejects[edited.remove(same.unwrap_or(0))];
                reject.is_matched = true;
                if let Some(object) = reject.collected.object.filter(|_| same.is_some()) {
                    let objects = &mut collector.of_kind(place.kind).objects;
                    set_fragment(&mut objects[object], is_fragment(&line));
                }
                Ok(())
            })?;
        }
        match self.rejects.iter().find(|reject| !reject.is_matched) {
            None => Ok(()),
            Some(reject) => Err(self.unmatched_error(reject, run)),
        }
    }

    fn unmatched_error(&self, reject: &EditedReject, run: &RejectedRun) -> Error {
        let RejectPlace {
            object,
            line,
            offset,
            ..
        } = &reject.collected.place;
        let place = format!("{object} line {line} offset {offset}");
        let is_repeated = self
            .rejects
            .iter()
            .any(|other| other.is_matched && other.collected.place == reject.collected.place);
        let error = |reason: String| self.files[reject.file].line_error(reject.line, reason);
        if is_repeated {
            return error(format!("it repeats the reject of {place}"))
                .with_hint("put several records into the text of one line");
        }
        let (in_run, location) = (run.id(), run.location());
        let error = error(format!(
            "run {in_run} in {location} has no reject of {place}"
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

/// Checks what a person may have done to a line.
fn check_edited(file: &RejectFile, number: u64, line: &RejectLine<'_>) -> Result<()> {
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
    Ok(())
}

/// Sets whether a text is read as it was in its object.
fn set_fragment(object: &mut InputObject, is_fragment: bool) {
    if let Some(origin) = &mut object.rejected_at {
        origin.is_fragment = is_fragment;
    }
}

/// Returns a hash that tells whether a text was edited.
fn text_hash(line: &RejectLine<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    line.decode_text().unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}
