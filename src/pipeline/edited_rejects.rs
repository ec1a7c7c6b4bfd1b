//! Reads rejects that a person edited in a copy of a reject file, and matches them with those of the run.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::reject_collector::{CollectedReject, RejectCollector, original_layout};
use crate::decode::sniff::{RecordLayout, detect_layout};
use crate::error::{Error, Result};
use crate::input::RejectPosition;
use crate::output::{RejectFile, RejectLine, RejectedRun};
use crate::storage::{Location, StoreOpener};

/// The rejects of edited files, which are not matched with those of the run yet.
pub(super) struct EditedRejects {
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
    pub(super) fn read(
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
    pub(super) fn match_with(
        mut self,
        collector: &mut RejectCollector,
        run: &RejectedRun,
    ) -> Result<()> {
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

/// Returns the layout of a text that a person edited. It is detected as in an object, but records without the brackets
/// of an array may have commas, and the bracket that followed the element.
fn edited_layout(text: &[u8]) -> Option<RecordLayout> {
    (detect_layout(text, true) == Some(RecordLayout::Sequence)).then_some(RecordLayout::Elements)
}
