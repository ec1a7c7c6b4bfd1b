//! Writes the rejects of a load to the reject files of the run, and counts them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::load_errors::LoadError;
use super::rejected_records::{RejectPlace, RejectedRecord};
use crate::error::Result;
use crate::input::RecordKind;
use crate::model::StagingColumn;
use crate::output::raw_staging::RawSource;
use crate::output::{LineShift, RejectBuffer, RejectLine, RunObject, Staging};
use crate::pipeline::first_names;
use crate::warehouse::sql::generator::CopyRejects;

/// The maximum length of the name of an object in the views, in bytes (Amazon Redshift Database Developer Guide,
/// "STL_LOAD_ERRORS").
const MAX_VIEW_NAME_BYTES: usize = 256;

/// The rejects of one kind of record, in one attempt of the load.
#[derive(Debug)]
pub(super) struct KindRejects {
    kind: RecordKind,
    buffer: RejectBuffer,
    /// The number of rejects.
    pub count: u64,
    /// The number of rejects by reason.
    pub by_reason: BTreeMap<String, u64>,
    /// The number of records of each object that COPY could not read.
    by_object: BTreeMap<String, u64>,
    /// Those of them whose texts the views have cut, or do not have.
    cut_by_object: BTreeMap<String, u64>,
    /// Describes the first reject.
    pub first: Option<String>,
}

impl KindRejects {
    /// Returns no rejects.
    pub(super) fn new(kind: RecordKind) -> Self {
        Self {
            kind,
            buffer: RejectBuffer::default(),
            count: 0,
            by_reason: BTreeMap::new(),
            by_object: BTreeMap::new(),
            cut_by_object: BTreeMap::new(),
            first: None,
        }
    }

    /// Adds a record that COPY could not read. `columns` are those of the staging table.
    ///
    /// # Errors
    /// Returns an error if the rejects cannot be buffered.
    pub(super) fn add_load_error(
        &mut self,
        staging: &Staging,
        error: &LoadError,
        columns: &[StagingColumn],
    ) -> Result<()> {
        *self.by_object.entry(error.object.clone()).or_default() += 1;
        if error.is_cut() {
            *self.cut_by_object.entry(error.object.clone()).or_default() += 1;
        }
        let line = error.to_reject_line(staging.run_id(), self.kind, columns);
        self.add(staging, &line, || error.describe())
    }

    /// Adds a record that a check rejected.
    ///
    /// # Errors
    /// Returns an error if the rejects cannot be buffered.
    pub(super) fn add_rejected_record(
        &mut self,
        staging: &Staging,
        record: &RejectedRecord,
    ) -> Result<()> {
        let file = staging.display(self.file());
        let place = RejectPlace {
            file: &file,
            line: self.count + 1,
        };
        let line = record.to_reject_line(staging.run_id(), self.kind, place);
        self.add(staging, &line, || record.describe())
    }

    fn add(
        &mut self,
        staging: &Staging,
        line: &RejectLine<'_>,
        describe: impl FnOnce() -> String,
    ) -> Result<()> {
        self.count += 1;
        *self.by_reason.entry(line.reason.to_string()).or_default() += 1;
        self.first.get_or_insert_with(describe);
        self.buffer.push(staging.reject_context(), line)
    }

    /// Returns the number of records of each source object that COPY could not read. The views cut names at 256 bytes: a
    /// record of an object that is not recognized is counted for the first object, so that the sums are right.
    pub(super) fn by_source_object(&self, source: &RawSource) -> Vec<CopyRejects> {
        if self.by_object.is_empty() {
            return Vec::new();
        }
        let mut names: Vec<&str> = source.objects.iter().map(|object| &*object.url).collect();
        names.sort_unstable();
        let mut counts = BTreeMap::<&str, u64>::new();
        for (name, count) in &self.by_object {
            let object = find_object(&names, name).or(names.first().copied());
            *counts.entry(object.unwrap_or(name)).or_default() += count;
        }
        let rejects = counts.into_iter().map(|(object, count)| CopyRejects {
            kind: self.kind.singular(),
            object: object.to_owned(),
            count,
        });
        rejects.collect()
    }

    /// Returns a warning that names the objects with records that COPY could not read and of which it shows only the
    /// beginning, if there are any: such a record may be the whole object, for example an array. Those with the most such
    /// records come first.
    pub(super) fn unread_objects_warning(&self) -> Option<String> {
        let mut objects: Vec<_> = self.cut_by_object.iter().collect();
        objects.sort_by_key(|(name, count)| (Reverse(**count), *name));
        let records: u64 = self.cut_by_object.values().sum();
        let named: Vec<String> = objects
            .iter()
            .map(|(name, count)| format!("{name} ({count})"))
            .collect();
        let (kind, count) = (self.kind.singular(), objects.len());
        let s = |number: u64| if number == 1 { "" } else { "s" };
        (records > 0).then(|| {
            format!(
                "COPY could not read {records} long record{} of {count} {kind} object{}, which may be most of {}: {}",
                s(records),
                s(count as u64),
                if count == 1 { "it" } else { "them" },
                first_names(&named)
            )
        })
    }

    /// Writes the reject file, if there are rejects. They are not buffered any more.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub(super) fn write(&mut self, staging: &Staging) -> Result<()> {
        let shift = LineShift {
            rejects: 0,
            lines: 0,
        };
        let buffer = std::mem::take(&mut self.buffer);
        staging.write_rejects(self.kind, 0, buffer, shift)
    }

    fn file(&self) -> RunObject {
        RunObject::Rejects {
            kind: self.kind,
            number: 0,
        }
    }
}

/// Finds the object with a name among sorted names. A name that a view may have cut is the beginning of one name only.
fn find_object<'a>(names: &[&'a str], name: &str) -> Option<&'a str> {
    let first = names.partition_point(|other| *other < name);
    let mut candidates = names[first..]
        .iter()
        .take_while(|other| other.starts_with(name));
    match (candidates.next(), candidates.next()) {
        (Some(object), _) if *object == name => Some(object),
        (Some(object), None) if name.len() >= MAX_VIEW_NAME_BYTES - 1 => Some(object),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_names_are_recognized_if_only_one_object_begins_so() {
        let long = |end: &str| format!("s3://bucket/{}{end}", "x".repeat(300));
        let (a, b) = (long("/a.json"), long("/b.json"));
        let mut names = vec!["s3://bucket/1.json", "s3://bucket/11.json", &a];
        names.sort_unstable();
        assert_eq!(
            find_object(&names, "s3://bucket/1.json"),
            Some("s3://bucket/1.json")
        );
        assert_eq!(find_object(&names, "s3://bucket/1"), None);
        assert_eq!(find_object(&names, &a[..256]), Some(&*a));
        names.push(&b);
        names.sort_unstable();
        assert_eq!(find_object(&names, &a[..256]), None);
        assert_eq!(find_object(&names, &b), Some(&*b));
    }

    #[test]
    fn objects_with_most_unread_records_are_named_first() {
        let mut rejects = KindRejects::new(RecordKind::Log);
        assert_eq!(rejects.unread_objects_warning(), None);
        for (object, count) in [("a", 1), ("b", 7), ("c", 1)] {
            rejects.cut_by_object.insert(object.to_owned(), count);
        }
        assert_eq!(
            rejects.unread_objects_warning().as_deref(),
            Some(
                "COPY could not read 9 long records of 3 log objects, which may be most of them: b (7), a (1), c (1)"
            )
        );
    }
}
