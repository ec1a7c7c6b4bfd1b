//! The objects of one kind of input, and the splits of the objects.

use std::borrow::Cow;
use std::path::Path;
use std::time::Instant;

use super::listed_input::{ListedInput, ListingOverview, ObjectSelection};
use super::listing::InputArgument;
use super::reject_texts::RejectTexts;
use super::sniffing::plan_with_sniffing;
use super::split_stats::ObjectCounts;
use super::timings::{PipelineStage, Timings};
use crate::config::{InputSpec, LoadedObjects, OutputArrangement, RunConfig};
use crate::error::{Error, Result};
use crate::input::{IgnoredCounts, InputObject, RecordKind, Segment, SplitSet};
use crate::model::RecordSchema;
use crate::model::sparkify::SPARKIFY;
use crate::output::LATEST_FILE;
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
    overview: ListingOverview,
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
    /// Returns an error if either of them [cannot be opened](InputSource::open), or if it contains what the run writes.
    pub(super) fn open(
        songs: &InputSpec,
        logs: &InputSpec,
        config: &RunConfig,
        stores: &StoreOpener,
        timings: &Timings,
    ) -> Result<Self> {
        let open = |kind, name, spec| {
            let argument = InputArgument { kind, name, spec };
            let loaded = config.loaded_objects.as_ref();
            InputSource::open(stores, argument, loaded, config.sizes.split_bytes, timings)
        };
        let sources = Self {
            songs: open(RecordKind::Song, "--songs", songs)?,
            logs: open(RecordKind::Log, "--logs", logs)?,
            replayed_run: None,
        };
        if config.output_arrangement() == OutputArrangement::SideBySide {
            sources.ensure_output_is_not_read(&config.out)?;
        }
        Ok(sources)
    }

    /// Checks that no object is the file that runs write beside the datasets in `out`. Symbolic links can make it part
    /// of the input.
    ///
    /// # Errors
    /// Returns an error if one is.
    fn ensure_output_is_not_read(&self, out: &Location) -> Result<()> {
        let Location::Local(path) = out.join(LATEST_FILE).resolve_links() else {
            return Ok(());
        };
        for source in [&self.songs, &self.logs] {
            let found = source.objects.iter().enumerate().find(|(number, object)| {
                let resolved =
                    || Path::new(&source.source_object_identity(*number).0).canonicalize();
                object.meta.key.ends_with(LATEST_FILE) && resolved().is_ok_and(|file| file == path)
            });
            if let Some((_, object)) = found {
                return Err(Error::usage(format!("cannot write to {out}"))
                    .with_reason(format!(
                        "the run would read {}, which runs write",
                        source.display(object)
                    ))
                    .with_hint("choose another --out"));
            }
        }
        Ok(())
    }

    /// Returns true if all objects are loaded already, so that there is nothing to read.
    pub(super) fn has_nothing_new(&self) -> bool {
        let [songs, logs] = self.overviews();
        ObjectSelection::has_nothing_new(&songs.selection, &logs.selection)
    }

    /// Returns what the listings of the songs and of the logs found besides the objects.
    pub(super) fn overviews(&self) -> [&ListingOverview; 2] {
        [&self.songs.overview, &self.logs.overview]
    }

    /// Returns the reports of the songs and of the logs, before anything is read.
    pub(super) fn initial_reports(&self) -> [InputReport; 2] {
        [&self.songs, &self.logs].map(InputSource::initial_report)
    }

    /// Returns the locations of the songs and of the logs, with globs resolved to the folders that they match.
    pub(super) fn resolved_locations(&self) -> [&[Location]; 2] {
        let overviews = self.overviews();
        overviews.map(|overview| overview.resolved_locations.as_slice())
    }
}

/// Returns the schema of the records of a kind.
pub(crate) fn record_schema(kind: RecordKind) -> &'static RecordSchema {
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
        let locations = match &contents {
            InputContents::Rejects(texts) => {
                texts.files.iter().map(|file| file.name.clone()).collect()
            }
            InputContents::Stores(_) => {
                resolved_locations.iter().map(Location::to_string).collect()
            }
        };
        Self {
            kind,
            objects,
            plan,
            contents,
            overview: ListingOverview {
                kind,
                resolved_locations,
                locations,
                ignored: IgnoredCounts::default(),
                selection: ObjectSelection::default(),
            },
        }
    }

    /// Lists all objects of `argument` and plans the splits of those that are not `loaded` into the warehouse, if there is
    /// one.
    ///
    /// # Errors
    /// Returns an error if a location does not exist, cannot be listed or contains no input object, or if a glob
    /// matches nothing.
    pub(super) fn open(
        stores: &StoreOpener,
        argument: InputArgument<'_>,
        loaded: Option<&LoadedObjects>,
        split_bytes: Option<u64>,
        timings: &Timings,
    ) -> Result<Self> {
        let _span = tracing::info_span!("list").entered();
        let kind = argument.kind;
        let began = Instant::now();
        let ListedInput {
            stores,
            mut objects,
            overview,
        } = ListedInput::list(stores, argument, loaded, timings)?;
        let plan = plan_with_sniffing(&stores, &mut objects, split_bytes)?;
        timings.record(PipelineStage::List, began, plan.bytes, objects.len() as u64);
        tracing::info!(
            objects = objects.len(),
            bytes = plan.bytes,
            splits = plan.splits.len(),
            changed = overview.selection.changed.len(),
            already_loaded = overview.selection.already_loaded,
            "listed the {}",
            kind.plural()
        );
        Ok(Self {
            kind,
            objects,
            plan,
            contents: InputContents::Stores(stores),
            overview,
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
        match &self.contents {
            InputContents::Stores(stores) => {
                stores[object.location_index as usize].display(&object.meta.key)
            }
            InputContents::Rejects(_) => object.reject_origin().position.object.to_string(),
        }
    }

    /// Returns where the objects are.
    pub(super) fn contents(&self) -> &InputContents {
        &self.contents
    }

    /// Returns the counts of each source object. `counts` has those of each object. In a replay the source objects are
    /// the reject files, and an object is the text of one reject.
    pub(super) fn counts_by_source_object<'a>(
        &self,
        counts: &'a [ObjectCounts],
    ) -> Cow<'a, [ObjectCounts]> {
        assert_eq!(
            self.objects.len(),
            counts.len(),
            "each object has its counts"
        );
        let InputContents::Rejects(texts) = &self.contents else {
            return Cow::Borrowed(counts);
        };
        let mut sums: Vec<_> = texts.files.iter().map(|file| file.carried_over).collect();
        for (object, &counts) in self.objects.iter().zip(counts) {
            sums[object.reject_origin().file] += counts;
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

    /// Returns the report of the listed objects, before anything is read.
    pub(super) fn initial_report(&self) -> InputReport {
        let objects = self.objects.len() as u64;
        let mut report = self.overview.report(objects, self.plan.bytes);
        if let InputContents::Rejects(texts) = &self.contents {
            report.objects = texts.files.len() as u64;
            report.new_objects = report.objects;
            texts.carried_over.add_to(&mut report);
        }
        report
    }
}
