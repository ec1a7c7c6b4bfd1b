//! Lists one kind of input: its locations, their objects, and the splits of the objects.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rayon::prelude::*;

use super::build_thread_pool;
use super::timings::{PipelineStage, Timings};
use crate::config::LoadedLogObjects;
use crate::decode::record_schema::RecordSchema;
use crate::decode::sniff::{MAX_SNIFF_BYTES, RecordLayout, detect_layout};
use crate::error::{Error, Result};
use crate::input::{
    Glob, IgnoredCounts, InputCompression, InputListing, InputObject, InputSelectionRules,
    InputSpec, RecordKind, SplitSet, describe_ignored, detect_compression, plan_splits,
};
use crate::output::run_report::InputReport;
use crate::star::schema::{EVENT_RECORD, SONG_RECORD};
use crate::storage::{
    ChainedReader, ListMode, Location, ObjectRange, ObjectVersion, RangeReader, Store, StoreOpener,
};

/// The number of prefixes that is enough for parallel listing. From this number on, each prefix is listed
/// recursively with a single call, if the store supports that.
const MIN_PARALLEL_PREFIXES: usize = 64;

/// The maximum number of extensions of ignored objects in an error.
const MAX_EXTENSIONS_SHOWN: usize = 5;

/// The song objects or the log objects, listed and divided into splits.
#[derive(Debug)]
pub(super) struct InputSource {
    /// The kind of the records.
    pub kind: RecordKind,
    /// The objects, in input order.
    pub objects: Vec<InputObject>,
    /// The splits of the objects.
    pub plan: SplitSet,
    /// The stores of the objects, by [`InputObject::location_index`].
    stores: Vec<Box<dyn Store>>,
    /// The folders, files and bucket prefixes of the locations, with globs resolved.
    resolved_locations: Vec<Location>,
    ignored: IgnoredCounts,
    skipped_loaded: u64,
}

/// A location to list.
struct ListingRoot {
    store: Box<dyn Store>,
    rules: InputSelectionRules,
    /// The folder that keys are relative to.
    base: Location,
    listing: Mutex<InputListing>,
}

impl InputSource {
    /// Lists all objects at `locations` and plans the splits of those that are not `loaded`. `argument` is the
    /// name of the locations on the command line.
    ///
    /// # Errors
    /// Returns an error if a location does not exist, cannot be listed or contains no input object, or if a glob
    /// matches nothing.
    pub(super) fn open(
        kind: RecordKind,
        argument: &str,
        stores: &StoreOpener,
        locations: &InputSpec,
        loaded: &LoadedLogObjects,
        split_bytes: Option<u64>,
        timings: &Timings,
    ) -> Result<Self> {
        let span = tracing::info_span!("list").entered();
        let began = Instant::now();
        let roots = locations.locations.iter().zip(0..);
        let roots = roots.map(|(location, number)| {
            let root = open_root(stores, location, number, locations);
            root.map_err(|error| error.or_hint(format!("check {argument}")))
        });
        let roots: Vec<ListingRoot> = roots.collect::<Result<_>>()?;
        let list = || {
            let _entered = span.enter();
            roots
                .par_iter()
                .try_for_each(|root| list_prefix(root, "", 1))
        };
        match roots
            .iter()
            .find_map(|root| root.store.max_concurrent_requests())
        {
            None => list()?,
            // Each request blocks a thread, so these threads are separate from the workers.
            Some(requests) => build_thread_pool(requests)?.install(list)?,
        }
        let (mut stores, mut listings) = (Vec::new(), Vec::new());
        let mut resolved_locations = Vec::new();
        for (root, location) in roots.into_iter().zip(&locations.locations) {
            let listing = root
                .listing
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner);
            check_not_empty(kind, argument, location, &root.rules, &listing)?;
            match root.rules.glob {
                None => resolved_locations.push(location.clone()),
                Some(_) => {
                    let folders = listing
                        .matched_folders
                        .iter()
                        .map(|key| root.base.join(key));
                    // A glob without a folder is relative to the current directory.
                    let current_dir_if_empty = |location| match location {
                        Location::Local(path) if path.as_os_str().is_empty() => {
                            Location::Local(".".into())
                        }
                        location => location,
                    };
                    resolved_locations.extend(folders.map(current_dir_if_empty));
                }
            }
            stores.push(root.store);
            listings.push(listing);
        }
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
                let store = stores.get(object.location_index as usize);
                let identity = store.map(|store| store.absolute_name(&object.meta.key));
                identity.is_none_or(|identity| !loaded.contains(identity, object.meta.etag()))
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
            stores,
            resolved_locations,
            ignored,
            skipped_loaded: skipped_loaded as u64,
        })
    }

    /// Returns the schema of the records.
    pub(super) fn schema(&self) -> &'static RecordSchema {
        match self.kind {
            RecordKind::Song => &SONG_RECORD,
            RecordKind::Log => &EVENT_RECORD,
        }
    }

    /// Returns the path or URL of an object as shown to users.
    pub(super) fn display(&self, object: &InputObject) -> String {
        let store = self.stores.get(object.location_index as usize);
        store.map_or_else(String::new, |store| store.display(&object.meta.key))
    }

    /// Returns the absolute name of an object, which does not depend on the current directory.
    pub(super) fn canonical_name(&self, object: &InputObject) -> String {
        let store = self.stores.get(object.location_index as usize);
        store.map_or_else(String::new, |store| store.absolute_name(&object.meta.key))
    }

    /// Returns a reader of ranges of objects, in the given order. The number of each range is the index of its
    /// location.
    pub(super) fn range_reader(
        &self,
        ranges: impl Iterator<Item = (u32, ObjectRange)>,
    ) -> Box<dyn RangeReader + '_> {
        match &self.stores[..] {
            [store] => store.read_ranges(ranges.map(|(_, range)| range).collect()),
            stores => Box::new(ChainedReader::new(stores, ranges)),
        }
    }

    /// Returns the maximum number of concurrent requests, or `None` if no store is remote.
    pub(super) fn max_concurrent_requests(&self) -> Option<usize> {
        self.stores
            .iter()
            .find_map(|store| store.max_concurrent_requests())
    }

    /// Returns the input locations, with globs resolved to the folders that they match.
    pub(super) fn resolved_locations(&self) -> &[Location] {
        &self.resolved_locations
    }

    /// Returns the number of objects that were skipped because they are loaded already.
    pub(super) fn skipped_loaded(&self) -> u64 {
        self.skipped_loaded
    }

    /// Returns the report of the listed objects, before anything is read.
    pub(super) fn initial_report(&self) -> InputReport {
        InputReport {
            objects: self.objects.len() as u64,
            ignored_objects: self.ignored.objects(),
            ignored_extensions: self.ignored.by_extension(),
            bytes: self.plan.bytes,
            ..InputReport::default()
        }
    }
}

/// Opens the store of a location. For a glob, this is the store of the folder before its first wildcard.
fn open_root(
    stores: &StoreOpener,
    location: &Location,
    number: u32,
    locations: &InputSpec,
) -> Result<ListingRoot> {
    let mut rules = InputSelectionRules {
        location_index: number,
        glob: None,
        include: locations.include.clone(),
        collects_ignored_keys: locations.locations.len() > 1,
    };
    let (store, folder) = match location.split_glob() {
        None => (stores.open(location)?, location.clone()),
        Some((folder, pattern)) => {
            let invalid =
                |why: String| Error::usage(format!("cannot use {location}")).with_reason(why);
            let glob = rules.glob.insert(Glob::parse(&pattern).map_err(invalid)?);
            (stores.open_folder(&folder, glob.literal_prefix())?, folder)
        }
    };
    Ok(ListingRoot {
        store,
        rules,
        base: folder,
        listing: Mutex::default(),
    })
}

/// Lists all objects below a prefix, and its child prefixes in parallel. `width` is the approximate number of
/// prefixes at this level.
fn list_prefix(root: &ListingRoot, prefix: &str, width: usize) -> Result<()> {
    let mode = if width < MIN_PARALLEL_PREFIXES {
        ListMode::Delimited
    } else {
        ListMode::Recursive
    };
    let list_result = root.store.list(prefix, mode)?;
    let child_prefixes = root
        .listing
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .add(&root.rules, prefix, list_result)?;
    let width = width.saturating_mul(child_prefixes.len());
    child_prefixes
        .par_iter()
        .try_for_each(|prefix| list_prefix(root, prefix, width))
}

/// Returns an error if a location contains no input object, so that a mistyped location is noticed.
fn check_not_empty(
    kind: RecordKind,
    argument: &str,
    location: &Location,
    rules: &InputSelectionRules,
    listing: &InputListing,
) -> Result<()> {
    if !listing.objects.is_empty() {
        return Ok(());
    }
    let kind = kind.plural();
    if rules.glob.is_some() && listing.matched_folders.is_empty() {
        return Err(Error::failed(format!("no {kind} in {location}"))
            .with_reason("the glob matches nothing")
            .with_hint(format!(
                "check {argument}; * does not match a /, but ** matches any number of folders"
            )));
    }
    let mut reason =
        "it contains no object whose name ends in .json, .jsonl, .ndjson or .ldjson (optionally \
                   followed by .gz, .gzip, .bz2 or .zst)"
            .to_owned();
    let mut hint = format!("check {argument}");
    if listing.ignored.objects() > 0 {
        let extensions = describe_ignored(&listing.ignored.by_extension(), MAX_EXTENSIONS_SHOWN);
        reason += &format!("; ignored: {} ({extensions})", listing.ignored.objects());
        hint += ", or read such objects with --include GLOB";
    }
    Err(Error::failed(format!("no {kind} in {location}"))
        .with_reason(reason)
        .with_hint(hint))
}

/// Merges the listings of all locations. Returns the distinct objects in input order, and the counts of ignored
/// objects. Input order is the byte order of the keys, or of the absolute names if there are several locations.
fn merge_listings(
    stores: &[Box<dyn Store>],
    mut listings: Vec<InputListing>,
) -> (Vec<InputObject>, IgnoredCounts) {
    if let [listing] = &mut listings[..] {
        let InputListing {
            mut objects,
            ignored,
            ..
        } = std::mem::take(listing);
        objects.par_sort_unstable_by(|a, b| a.meta.key.cmp(&b.meta.key));
        return (objects, ignored);
    }
    let mut objects = Vec::new();
    let (mut ignored, mut counted_names) = (IgnoredCounts::default(), HashSet::new());
    for (store, listing) in stores.iter().zip(listings) {
        let with_name = |object: InputObject| (store.absolute_name(&object.meta.key), object);
        objects.par_extend(listing.objects.into_par_iter().map(with_name));
        for key in listing.ignored_keys {
            if counted_names.insert(store.absolute_name(&key)) {
                ignored.count(&key);
            }
        }
    }
    // An object in several locations is kept under the first of them.
    objects.par_sort_unstable_by(|(a, first), (b, second)| {
        a.cmp(b)
            .then(first.location_index.cmp(&second.location_index))
    });
    objects.dedup_by(|(b, _), (a, _)| a == b);
    drop_symlink_duplicates(stores, &mut objects);
    (
        objects.into_iter().map(|(_, object)| object).collect(),
        ignored,
    )
}

/// Drops files that an earlier location contains too, under a path with different symlinks.
fn drop_symlink_duplicates(stores: &[Box<dyn Store>], objects: &mut Vec<(String, InputObject)>) {
    let file_id = |object: &InputObject| match object.meta.version {
        ObjectVersion::Mtime { nanoseconds, inode } => Some((inode, nanoseconds, object.meta.size)),
        _ => None,
    };
    let mut location_by_file = HashMap::new();
    for (_, object) in objects.iter() {
        if let Some(file_id) = file_id(object) {
            let location = location_by_file
                .entry(file_id)
                .or_insert(Some(object.location_index));
            // `None` means that several locations contain a file with this id.
            *location = location.filter(|&index| index == object.location_index);
        }
    }
    // Few files of different locations have the same id, so few paths are resolved.
    let shared_path = |object: &InputObject| {
        let is_shared = |file_id| location_by_file.get(&file_id).is_some_and(Option::is_none);
        file_id(object).filter(|&file_id| is_shared(file_id))?;
        let store = stores.get(object.location_index as usize)?;
        Some(store.canonical_name(&object.meta.key))
    };
    let mut first_location = HashMap::new();
    for (_, object) in objects.iter() {
        if let Some(path) = shared_path(object) {
            let location = first_location.entry(path).or_insert(object.location_index);
            *location = object.location_index.min(*location);
        }
    }
    objects.retain(|(_, object)| {
        let first = shared_path(object).and_then(|path| first_location.get(&path));
        first.is_none_or(|&first| first == object.location_index)
    });
}

/// Plans the splits. The first bytes of an object are sniffed before it is divided, because a compressed object
/// can only be read from its beginning, and its name does not always say that it is compressed.
fn plan_with_sniffing(
    stores: &[Box<dyn Store>],
    objects: &mut [InputObject],
    split_bytes: Option<u64>,
) -> Result<SplitSet> {
    let first = plan_splits(objects, split_bytes);
    if !sniff_objects(stores, objects, first.split_objects())? {
        return Ok(first);
    }
    // Other objects may be divided instead.
    let may_be_split = |object: &InputObject| {
        object.is_splittable() && !object.is_sniffed && object.meta.size > first.max_unsplit_bytes
    };
    let numbers = objects.iter().enumerate();
    let numbers = numbers.filter(|(_, object)| may_be_split(object));
    let numbers = numbers.map(|(number, _)| number).collect();
    sniff_objects(stores, objects, numbers)?;
    Ok(plan_splits(objects, split_bytes))
}

/// Sniffs the first bytes of the objects with these numbers, in parallel. Returns true if any of the objects
/// cannot be divided, because it is compressed although its name does not say so, or because it has another
/// format.
fn sniff_objects(
    stores: &[Box<dyn Store>],
    objects: &mut [InputObject],
    numbers: Vec<usize>,
) -> Result<bool> {
    let sniff_all = || {
        let sniffed = numbers.par_iter().map(|&number| {
            let object = objects.get(number);
            let store = object.and_then(|object| stores.get(object.location_index as usize));
            match (store, object) {
                (Some(store), Some(object)) => sniff_object(store.as_ref(), object),
                _ => Ok((None, RecordLayout::default())),
            }
        });
        sniffed.collect::<Result<Vec<_>>>()
    };
    let requests = stores
        .iter()
        .find_map(|store| store.max_concurrent_requests());
    let sniffed = match requests.filter(|_| !numbers.is_empty()) {
        None => sniff_all()?,
        Some(requests) => build_thread_pool(requests)?.install(sniff_all)?,
    };
    let mut any_unsplittable = false;
    for (number, (compression, layout)) in numbers.into_iter().zip(sniffed) {
        if let Some(object) = objects.get_mut(number) {
            (object.compression, object.layout) = (compression, layout);
            object.is_sniffed = true;
            any_unsplittable |= !object.is_splittable();
        }
    }
    Ok(any_unsplittable)
}

/// Detects the compression and the record layout of an object that is not compressed according to its name.
fn sniff_object(
    store: &dyn Store,
    object: &InputObject,
) -> Result<(Option<InputCompression>, RecordLayout)> {
    let mut first = Vec::new();
    let mut reader = store.read_ranges(vec![object.range(0, MAX_SNIFF_BYTES as u64)]);
    reader.next_range()?;
    let read = reader.take(MAX_SNIFF_BYTES as u64).read_to_end(&mut first);
    read.map_err(|e| Error::io("cannot read", store.display(&object.meta.key).as_ref(), e))?;
    let compression = detect_compression(&first, true, None).flatten();
    let layout = detect_layout(&first, true).unwrap_or_default();
    Ok((compression, layout))
}
