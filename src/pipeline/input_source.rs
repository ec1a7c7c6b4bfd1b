//! The objects of one kind of input, and the splits of the objects.

use std::borrow::Cow;
use std::time::Instant;

use super::listing::{InputArgument, ListedLocations, list_locations, merge_listings};
use super::reject_texts::RejectTexts;
use super::sniffing::plan_with_sniffing;
use super::timings::{PipelineStage, Timings};
use crate::config::{InputSpec, LoadedLogObjects, RunConfig};
use crate::error::Result;
use crate::input::{IgnoredCounts, InputObject, RecordKind, Segment, SplitSet};
use crate::model::RecordSchema;
use crate::model::sparkify::SPARKIFY;
use crate::output::run_report::InputReport;
use crate::storage::{ChainedReader, Location, ObjectRange, RangeReader, Store, StoreOpener};

/// The song objects or the log objects, listed and divided into splits.
#[derive(Debug)]
pub(super) struct InputSource {
    /// The kind of the records.
    pub kind: RecordKind,
    /// The objects, in input order.
    pub objects: Vec<InputObject>,
    /// The splits of the objects.
    pub plan: SplitSet,
    /// Where the objects are.
    contents: InputContents,
    /// The folders, files and bucket prefixes of the locations, with globs resolved.
    resolved_locations: Vec<Location>,
    ignored: IgnoredCounts,
    skipped_loaded: u64,
}

/// Where the objects of an input are.
#[derive(Debug)]
pub(super) enum InputContents {
    /// In these stores, by [`InputObject::location_index`].
    Stores(Vec<Box<dyn Store>>),
    /// In the reject files of an earlier run: each object is the text of a reject.
    Rejects(RejectTexts),
}

/// The songs and the logs of a run.
#[derive(Debug)]
pub(super) struct InputSources {
    /// The song objects.
    pub songs: InputSource,
    /// The log objects.
    pub logs: InputSource,
    /// The id of the run whose rejects are tried again, if this is a replay.
    pub replayed_run: Option<String>,
}

impl InputSources {
    /// Lists and plans the songs and the logs.
    ///
    /// # Errors
    /// Returns an error if either of them [cannot be opened](InputSource::open).
    pub(super) fn open(
        songs: &InputSpec,
        logs: &InputSpec,
        config: &RunConfig,
        stores: &StoreOpener,
        timings: &Timings,
    ) -> Result<Self> {
        let open = |kind, name, spec, loaded: &LoadedLogObjects| {
            let argument = InputArgument { kind, name, spec };
            InputSource::open(stores, argument, loaded, config.sizes.split_bytes, timings)
        };
        let none_loaded = LoadedLogObjects::default();
        Ok(Self {
            songs: open(RecordKind::Song, "--songs", songs, &none_loaded)?,
            logs: open(RecordKind::Log, "--logs", logs, &config.loaded_objects)?,
            replayed_run: None,
        })
    }

    /// Returns the locations of the songs and of the logs, with globs resolved to the folders that they match.
    pub(super) fn resolved_locations(&self) -> [&[Location]; 2] {
        [&self.songs, &self.logs].map(|source| source.resolved_locations.as_slice())
    }
}

/// Returns the schema of the records of a kind.
pub(super) fn record_schema(kind: RecordKind) -> &'static RecordSchema {
    let name = match kind {
        RecordKind::Song => SPARKIFY.lookup().1.record,
        RecordKind::Log => SPARKIFY.fact().1.record,
    };
    SPARKIFY.record(name)
}

impl InputSource {
    /// Returns a source of objects without any that were ignored or are loaded already.
    pub(super) fn new(
        kind: RecordKind,
        objects: Vec<InputObject>,
        plan: SplitSet,
        contents: InputContents,
        resolved_locations: Vec<Location>,
    ) -> Self {
        Self {
            kind,
            objects,
            plan,
            contents,
            resolved_locations,
            ignored: IgnoredCounts::default(),
            skipped_loaded: 0,
        }
    }

    /// Lists all objects of `argument` and plans the splits of those that are not `loaded`.
    ///
    /// # Errors
    /// Returns an error if a location does not exist, cannot be listed or contains no input object, or if a glob
    /// matches nothing.
    pub(super) fn open(
        stores: &StoreOpener,
        argument: InputArgument<'_>,
        loaded: &LoadedLogObjects,
        split_bytes: Option<u64>,
        timings: &Timings,
    ) -> Result<Self> {
        let _span = tracing::info_span!("list").entered();
        let kind = argument.kind;
        let began = Instant::now();
        let ListedLocations {
            stores,
            listings,
            resolved,
        } = list_locations(stores, argument)?;
        let prefixes = listings
            .iter()
            .map(|listing| listing.listed_prefixes)
            .sum::<usize>();
        let (phase, sort) = match kind {
            RecordKind::Song => ("list songs", "sort songs"),
            RecordKind::Log => ("list logs", "sort logs"),
        };
        timings.record_phase(phase, prefixes, began);
        let sort_start = Instant::now();
        let (mut objects, ignored) = merge_listings(&stores, listings);
        timings.record_phase(sort, None, sort_start);
        let listed = objects.len();
        if !loaded.is_empty() {
            objects.retain(|object| {
                let store = &stores[object.location_index as usize];
                let identity = store.absolute_name(&object.meta.key);
                !loaded.contains(identity, object.meta.etag())
            });
        }
        let skipped_loaded = listed - objects.len();
        let plan = plan_with_sniffing(&stores, &mut objects, split_bytes)?;
        timings.record(PipelineStage::List, began, plan.bytes, objects.len() as u64);
        tracing::info!(
            objects = objects.len(),
            bytes = plan.bytes,
            splits = plan.splits.len(),
            skipped_loaded,
            "listed the {}",
            kind.plural()
        );
        Ok(Self {
            kind,
            objects,
            plan,
            contents: InputContents::Stores(stores),
            resolved_locations: resolved,
            ignored,
            skipped_loaded: skipped_loaded as u64,
        })
    }

    /// Returns the schema of the records.
    pub(super) fn schema(&self) -> &'static RecordSchema {
        record_schema(self.kind)
    }

    /// Returns the object of a segment.
    pub(super) fn object(&self, segment: &Segment) -> &InputObject {
        &self.objects[segment.object]
    }

    /// Returns the path or URL of an object as shown to users. The text of a reject is shown as the object in which it
    /// was rejected first.
    pub(super) fn display(&self, object: &InputObject) -> String {
        match (&self.contents, &object.rejected_at) {
            (InputContents::Stores(stores), _) => {
                stores[object.location_index as usize].display(&object.meta.key)
            }
            (InputContents::Rejects(_), origin) => origin
                .as_ref()
                .map_or_else(String::new, |origin| origin.object.to_string()),
        }
    }

    /// Returns where the objects are.
    pub(super) fn contents(&self) -> &InputContents {
        &self.contents
    }

    /// Returns the sum of a value for each source object. `values` has one for each object. In a replay the source
    /// objects are the reject files, and an object is the text of one reject.
    pub(super) fn sum_by_source_object<'a>(&self, values: &'a [u64]) -> Cow<'a, [u64]> {
        assert_eq!(self.objects.len(), values.len(), "each object has a value");
        let InputContents::Rejects(texts) = &self.contents else {
            return Cow::Borrowed(values);
        };
        let mut sums = vec![0; texts.files.len()];
        for (object, value) in self.objects.iter().zip(values) {
            if let Some(origin) = &object.rejected_at {
                sums[origin.file] += value;
            }
        }
        Cow::Owned(sums)
    }

    /// Returns the absolute name of a source object, which does not depend on the current directory, and its ETag.
    pub(super) fn source_object_identity(&self, number: usize) -> (String, String) {
        match &self.contents {
            InputContents::Rejects(texts) => {
                let file = &texts.files[number];
                (file.name.clone(), file.etag.clone())
            }
            InputContents::Stores(stores) => {
                let object = &self.objects[number];
                let store = &stores[object.location_index as usize];
                (store.absolute_name(&object.meta.key), object.meta.etag())
            }
        }
    }

    /// Returns a reader of ranges of objects, in the given order. The number of each range is the index of its
    /// location.
    pub(super) fn range_reader(
        &self,
        ranges: impl Iterator<Item = (u32, ObjectRange)>,
    ) -> Box<dyn RangeReader + '_> {
        match &self.contents {
            InputContents::Rejects(texts) => {
                Box::new(texts.reader(ranges.map(|(_, range)| range).collect()))
            }
            InputContents::Stores(stores) => match &stores[..] {
                [store] => store.read_ranges(ranges.map(|(_, range)| range).collect()),
                stores => Box::new(ChainedReader::new(stores, ranges)),
            },
        }
    }

    /// Returns the maximum number of concurrent requests, or `None` if no store is remote.
    pub(super) fn max_concurrent_requests(&self) -> Option<usize> {
        match &self.contents {
            InputContents::Rejects(_) => None,
            InputContents::Stores(stores) => stores
                .iter()
                .find_map(|store| store.max_concurrent_requests()),
        }
    }

    /// Returns the number of objects that were skipped because they are loaded already.
    pub(super) fn skipped_loaded(&self) -> u64 {
        self.skipped_loaded
    }

    /// Returns the report of the listed objects, before anything is read.
    pub(super) fn initial_report(&self) -> InputReport {
        let mut report = InputReport {
            objects: self.objects.len() as u64,
            ignored_objects: self.ignored.objects(),
            ignored_extensions: self.ignored.by_extension(),
            bytes: self.plan.bytes,
            ..InputReport::default()
        };
        if let InputContents::Rejects(texts) = &self.contents {
            report.objects = texts.files.len() as u64;
            texts.carried_over.add_to(&mut report);
        }
        report
    }
}
