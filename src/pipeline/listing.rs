//! Lists the objects of all locations of one input.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::thread_pool::build_thread_pool;
use crate::error::{Error, Result};
use crate::input::{
    Glob, IgnoredCounts, InputListing, InputObject, InputSelectionRules, InputSpec, RecordKind,
    describe_ignored,
};
use crate::storage::{ListMode, Location, ObjectVersion, Store, StoreOpener};

/// The number of prefixes that is enough for parallel listing. From this number on, each prefix is listed
/// recursively with a single call, if the store supports that.
const MIN_PARALLEL_PREFIXES: usize = 64;

/// The maximum number of extensions of ignored objects in an error.
const MAX_EXTENSIONS_SHOWN: usize = 5;

/// An input as the user specifies it.
#[derive(Debug, Clone, Copy)]
pub(super) struct InputArgument<'a> {
    /// The kind of the records.
    pub kind: RecordKind,
    /// The name of the argument on the command line.
    pub name: &'static str,
    /// The locations.
    pub spec: &'a InputSpec,
}

/// The objects at all locations of an input.
pub(super) struct ListedLocations {
    /// The store of each location.
    pub stores: Vec<Box<dyn Store>>,
    /// The objects at each location.
    pub listings: Vec<InputListing>,
    /// The folders, files and bucket prefixes of the locations, with globs resolved.
    pub resolved: Vec<Location>,
}

/// A location to list.
struct ListingRoot {
    store: Box<dyn Store>,
    rules: InputSelectionRules,
    /// The folder that keys are relative to.
    base: Location,
    listing: Mutex<InputListing>,
}

/// Lists all objects of an input.
///
/// # Errors
/// Returns an error if a location does not exist, cannot be listed or contains no input object, or if a glob
/// matches nothing.
pub(super) fn list_locations(
    stores: &StoreOpener,
    argument: InputArgument<'_>,
) -> Result<ListedLocations> {
    let InputArgument { name, spec, .. } = argument;
    let roots = spec.locations.iter().zip(0..).map(|(location, number)| {
        let root = open_root(stores, location, number, spec);
        root.map_err(|error| error.or_hint(format!("check {name}")))
    });
    let roots: Vec<ListingRoot> = roots.collect::<Result<_>>()?;
    let span = tracing::Span::current();
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
    let mut listed = ListedLocations {
        stores: Vec::with_capacity(roots.len()),
        listings: Vec::with_capacity(roots.len()),
        resolved: Vec::new(),
    };
    for (root, location) in roots.into_iter().zip(&spec.locations) {
        let listing = root
            .listing
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        check_not_empty(argument, location, &root.rules, &listing)?;
        match root.rules.glob {
            None => listed.resolved.push(location.clone()),
            Some(_) => {
                let folders = listing.matched_folders.iter();
                let folders = folders.map(|key| root.base.join(key));
                listed.resolved.extend(folders.map(current_dir_if_empty));
            }
        }
        listed.stores.push(root.store);
        listed.listings.push(listing);
    }
    Ok(listed)
}

/// Names the current directory: a glob without a folder is relative to it.
fn current_dir_if_empty(location: Location) -> Location {
    match location {
        Location::Local(path) if path.as_os_str().is_empty() => Location::Local(".".into()),
        location => location,
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
    argument: InputArgument<'_>,
    location: &Location,
    rules: &InputSelectionRules,
    listing: &InputListing,
) -> Result<()> {
    if !listing.objects.is_empty() {
        return Ok(());
    }
    let (kind, name) = (argument.kind.plural(), argument.name);
    if rules.glob.is_some() && listing.matched_folders.is_empty() {
        return Err(Error::failed(format!("no {kind} in {location}"))
            .with_reason("the glob matches nothing")
            .with_hint(format!(
                "check {name}; * does not match a /, but ** matches any number of folders"
            )));
    }
    let mut reason =
        "it contains no object whose name ends in .json, .jsonl, .ndjson or .ldjson (optionally \
                   followed by .gz, .gzip, .bz2 or .zst)"
            .to_owned();
    let mut hint = format!("check {name}");
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
pub(super) fn merge_listings(
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
        let store = &stores[object.location_index as usize];
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
