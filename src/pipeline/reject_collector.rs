//! Collects the rejects of a replay, each text as a small object.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use super::input_source::{InputContents, InputSource};
use super::reject_texts::{CarriedOver, RejectTexts, ReplayedFile, spool_error};
use super::split_stats::ObjectCounts;
use crate::decode::reject::RejectReason;
use crate::decode::sniff::RecordLayout;
use crate::error::Result;
use crate::input::{InputObject, RecordKind, RejectOrigin, RejectPosition, plan_splits};
use crate::output::{RejectFile, RejectLine};
use crate::storage::{Location, ObjectMeta, ObjectVersion};

/// Collects rejects, with their texts in a temporary file.
#[derive(Debug)]
pub(super) struct RejectCollector {
    pub texts: BufWriter<File>,
    /// The number of bytes in the file.
    length: u64,
    /// The rejects of songs.
    pub songs: CollectedRejects,
    /// The rejects of logs.
    pub logs: CollectedRejects,
    /// The names of the objects, each stored once.
    object_names: HashSet<Arc<str>>,
}

/// The collected rejects of one kind.
#[derive(Debug, Default)]
pub(super) struct CollectedRejects {
    /// The texts.
    pub objects: Vec<InputObject>,
    files: Vec<ReplayedFile>,
    /// Whether the last of the files is the one that is being read.
    has_current_file: bool,
    pub carried_over: CarriedOver,
}

/// A collected reject.
#[derive(Debug, Clone)]
pub(super) struct CollectedReject {
    pub position: RejectPosition,
    /// The index of its text among the objects of its kind, unless it cannot be replayed.
    object: Option<usize>,
}

impl RejectCollector {
    pub(super) fn new() -> Result<Self> {
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
    pub(super) fn set_layout(&mut self, reject: &CollectedReject, layout: Option<RecordLayout>) {
        let objects = &mut self.rejects_of(reject.position.kind).objects;
        let text = reject.object.map(|object| &mut objects[object]);
        if let Some(origin) = text.and_then(|text| text.rejected_at.as_mut()) {
            origin.layout = layout;
        }
    }

    /// Prepares for the rejects of the next file.
    pub(super) fn begin_file(&mut self) {
        self.songs.has_current_file = false;
        self.logs.has_current_file = false;
    }

    /// Adds a reject, which is line `number` of `file`.
    pub(super) fn add(
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

    pub(super) fn position_of(
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
pub(super) fn original_layout(line: &RejectLine<'_>) -> Option<RecordLayout> {
    (line.reason != RejectReason::NotJson.name()).then_some(RecordLayout::Sequence)
}

impl CollectedRejects {
    /// Returns the input that has the texts as its objects.
    pub(super) fn into_source(
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
