//! One kind of input: its places, its objects and their splits.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rayon::prelude::*;

use super::start_workers;
use super::timings::{Stage, Timings};
use crate::config::{LoadedObjects, RecordKind};
use crate::decode::schema::RecordSchema;
use crate::decode::sniff::{HEAD_BYTES, Layout, detect};
use crate::error::{Error, Result};
use crate::input::{
    Glob, IgnoredCounts, InputCompression, InputObject, InputRules, InputSpec, Listing, SplitSet,
    by_content, describe_ignored, plan,
};
use crate::output::report::InputReport;
use crate::star::schema::{EVENT_RECORD, SONG_RECORD};
use crate::storage::{
    ChainedReader, ListMode, Location, ObjectRange, ObjectVersion, RangeReader, Store,
    StoreRegistry,
};

/// Prefixes that are enough to list side by side: what is below them is listed in one go each, where the
/// store can do that.
const MANY_PREFIXES: usize = 64;

/// Endings of ignored objects in an error.
const ENDINGS_SHOWN: usize = 5;

/// Song or log objects, listed and planned.
#[derive(Debug)]
pub struct Source {
    /// What its records are.
    pub kind: RecordKind,
    /// The objects, in the order in which they are taken.
    pub objects: Vec<InputObject>,
    /// The objects cut into splits.
    pub plan: SplitSet,
    /// Where the objects are, by [`Object::place`].
    stores: Vec<Box<dyn Store>>,
    /// Folders and files that are read, and prefixes of buckets: what the places name, globs resolved.
    read_from: Vec<Location>,
    ignored: IgnoredCounts,
    loaded: u64,
}

/// A place that is listed.
struct ListingRoot {
    store: Box<dyn Store>,
    rules: InputRules,
    /// The folder that keys are below.
    folder: Location,
    listing: Mutex<Listing>,
}

impl Source {
    /// Lists all objects at `places`, which the command line calls `argument`, and plans the splits of those
    /// that are not `loaded`.
    ///
    /// # Errors
    /// A place does not exist, cannot be listed, or holds no input object; a glob matches nothing.
    pub fn open(
        kind: RecordKind,
        argument: &str,
        stores: &StoreRegistry,
        places: &InputSpec,
        loaded: &LoadedObjects,
        split_bytes: Option<u64>,
        stages: &Timings,
    ) -> Result<Self> {
        let began = Instant::now();
        let roots = places.places.iter().zip(0..);
        let roots = roots.map(|(place, number)| {
            let opened = open_root(stores, place, number, places);
            opened.map_err(|error| error.also(format!("check {argument}")))
        });
        let roots: Vec<ListingRoot> = roots.collect::<Result<_>>()?;
        let list = || roots.par_iter().try_for_each(|root| list(root, "", 1));
        match roots.iter().find_map(|root| root.store.requests()) {
            None => list()?,
            // A request is waited for by a thread that does nothing else.
            Some(requests) => start_workers(requests)?.install(list)?,
        }
        let (mut stores, mut listings) = (Vec::new(), Vec::new());
        let mut read_from = Vec::new();
        for (root, place) in roots.into_iter().zip(&places.places) {
            let listing = root
                .listing
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner);
            check_listing(kind, argument, place, &root.rules, &listing)?;
            match root.rules.glob {
                None => read_from.push(place.clone()),
                Some(_) => {
                    let folders = listing.matched.iter().map(|key| root.folder.join(key));
                    // The current directory, where the glob has no other.
                    let named = |place| match place {
                        Location::Local(path) if path.as_os_str().is_empty() => {
                            Location::Local(".".into())
                        }
                        place => place,
                    };
                    read_from.extend(folders.map(named));
                }
            }
            stores.push(root.store);
            listings.push(listing);
        }
        let levels = listings.iter().map(|listing| listing.levels).sum::<usize>();
        let (phase, sort) = match kind {
            RecordKind::Song => ("list songs", "sort songs"),
            RecordKind::Log => ("list logs", "sort logs"),
        };
        stages.phase(phase, levels, began);
        let sorting = Instant::now();
        let (mut objects, ignored) = in_order(&stores, listings);
        stages.phase(sort, None, sorting);
        let listed = objects.len();
        if !loaded.is_empty() {
            objects.retain(|object| {
                let store = stores.get(object.place as usize);
                let identity = store.map(|store| store.identity(&object.entry.key));
                identity.is_none_or(|identity| !loaded.contains(identity, object.entry.etag()))
            });
        }
        let left_out = listed - objects.len();
        let plan = plan_by_content(&stores, &mut objects, split_bytes)?;
        stages.add(Stage::List, began, plan.bytes, objects.len() as u64);
        Ok(Self {
            kind,
            objects,
            plan,
            stores,
            read_from,
            ignored,
            loaded: left_out as u64,
        })
    }

    /// What the records hold.
    pub fn schema(&self) -> &'static RecordSchema {
        match self.kind {
            RecordKind::Song => &SONG_RECORD,
            RecordKind::Log => &EVENT_RECORD,
        }
    }

    /// How people name one of its objects.
    pub fn display(&self, object: &InputObject) -> String {
        let store = self.stores.get(object.place as usize);
        store.map_or_else(String::new, |store| store.display(&object.entry.key))
    }

    /// What names one of its objects, wherever it is looked at from.
    pub fn identity(&self, object: &InputObject) -> String {
        let store = self.stores.get(object.place as usize);
        store.map_or_else(String::new, |store| store.identity(&object.entry.key))
    }

    /// A reader of ranges of objects, in this order. Each range is in the place of this number.
    pub fn read(
        &self,
        ranges: impl Iterator<Item = (u32, ObjectRange)>,
    ) -> Box<dyn RangeReader + '_> {
        match &self.stores[..] {
            [store] => store.read(ranges.map(|(_, range)| range).collect()),
            stores => Box::new(ChainedReader::new(stores, ranges)),
        }
    }

    /// How many requests can be under way at a time, if any object is reached by requests.
    pub fn requests(&self) -> Option<usize> {
        self.stores.iter().find_map(|store| store.requests())
    }

    /// The places that are read, globs resolved to the folders that they match.
    pub fn read_from(&self) -> &[Location] {
        &self.read_from
    }

    /// Objects that were left out because they are loaded.
    pub fn loaded(&self) -> u64 {
        self.loaded
    }

    /// A report of what was listed, with nothing read yet.
    pub fn report(&self) -> InputReport {
        InputReport {
            objects: self.objects.len() as u64,
            ignored_objects: self.ignored.objects(),
            ignored_endings: self.ignored.by_ending(),
            bytes: self.plan.bytes,
            ..InputReport::default()
        }
    }
}

/// Opens what a user named: a place as it is, or the folder that a glob begins with.
fn open_root(
    stores: &StoreRegistry,
    place: &Location,
    number: u32,
    places: &InputSpec,
) -> Result<ListingRoot> {
    let mut rules = InputRules {
        place: number,
        glob: None,
        include: places.include.clone(),
        keeps_ignored: places.places.len() > 1,
    };
    let (store, folder) = match place.split_glob() {
        None => (stores.open(place)?, place.clone()),
        Some((folder, pattern)) => {
            let wrong = |why: String| Error::usage(format!("cannot use {place}")).because(why);
            let glob = rules.glob.insert(Glob::parse(&pattern).map_err(wrong)?);
            (stores.open_below(&folder, glob.stem())?, folder)
        }
    };
    Ok(ListingRoot {
        store,
        rules,
        folder,
        listing: Mutex::default(),
    })
}

/// Lists all objects below a prefix that is one of `width` to be listed, prefixes side by side.
fn list(root: &ListingRoot, prefix: &str, width: usize) -> Result<()> {
    let depth = if width < MANY_PREFIXES {
        ListMode::Delimited
    } else {
        ListMode::Recursive
    };
    let level = root.store.list(prefix, depth)?;
    let below = root
        .listing
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .add(&root.rules, prefix, level)?;
    let width = width.saturating_mul(below.len());
    below
        .par_iter()
        .try_for_each(|prefix| list(root, prefix, width))
}

/// An error if a place holds no input object, so that a mistyped one is noticed.
fn check_listing(
    kind: RecordKind,
    argument: &str,
    place: &Location,
    rules: &InputRules,
    listing: &Listing,
) -> Result<()> {
    if !listing.objects.is_empty() {
        return Ok(());
    }
    let kind = kind.plural();
    if rules.glob.is_some() && listing.matched.is_empty() {
        return Err(Error::failed(format!("no {kind} in {place}"))
            .because("the glob matches nothing")
            .hint(format!(
                "check {argument}; * does not match a /, but ** matches any number of folders"
            )));
    }
    let mut why = "it holds no object whose name ends in .json, .jsonl, .ndjson or .ldjson (then \
                   perhaps .gz, .gzip, .bz2 or .zst)"
        .to_owned();
    let mut hint = format!("check {argument}");
    if listing.ignored.objects() > 0 {
        let endings = describe_ignored(&listing.ignored.by_ending(), ENDINGS_SHOWN);
        why += &format!("; ignored: {} ({endings})", listing.ignored.objects());
        hint += ", or name such objects by --include GLOB";
    }
    Err(Error::failed(format!("no {kind} in {place}"))
        .because(why)
        .hint(hint))
}

/// The objects of all places in the order in which they are taken, each once: the byte order of their
/// keys, or of their identities if there are several places. With them what is ignored.
fn in_order(
    stores: &[Box<dyn Store>],
    mut listings: Vec<Listing>,
) -> (Vec<InputObject>, IgnoredCounts) {
    if let [listing] = &mut listings[..] {
        let Listing {
            mut objects,
            ignored,
            ..
        } = std::mem::take(listing);
        objects.par_sort_unstable_by(|a, b| a.entry.key.cmp(&b.entry.key));
        return (objects, ignored);
    }
    let mut objects = Vec::new();
    let (mut ignored, mut counted) = (IgnoredCounts::default(), HashSet::new());
    for (store, listing) in stores.iter().zip(listings) {
        let named = |object: InputObject| (store.identity(&object.entry.key), object);
        objects.par_extend(listing.objects.into_par_iter().map(named));
        for key in listing.ignored_keys {
            if counted.insert(store.identity(&key)) {
                ignored.count(&key);
            }
        }
    }
    // An object that several places name is kept as the first of them names it.
    objects.par_sort_unstable_by(|(a, first), (b, second)| {
        a.cmp(b).then(first.place.cmp(&second.place))
    });
    objects.dedup_by(|(b, _), (a, _)| a == b);
    drop_linked(stores, &mut objects);
    (
        objects.into_iter().map(|(_, object)| object).collect(),
        ignored,
    )
}

/// Drops files that an earlier place names too, by a path with other links in it.
fn drop_linked(stores: &[Box<dyn Store>], objects: &mut Vec<(String, InputObject)>) {
    let contents = |object: &InputObject| match object.entry.version {
        ObjectVersion::Mtime { nanoseconds, inode } => {
            Some((inode, nanoseconds, object.entry.size))
        }
        _ => None,
    };
    let mut places = HashMap::new();
    for (_, object) in objects.iter() {
        if let Some(contents) = contents(object) {
            let place = places.entry(contents).or_insert(Some(object.place));
            // No one place contains all of several places.
            *place = place.filter(|&place| place == object.place);
        }
    }
    // Few files of several places have a number in common, so few paths are looked at.
    let path = |object: &InputObject| {
        let is_shared = |contents| places.get(&contents).is_some_and(Option::is_none);
        contents(object).filter(|&contents| is_shared(contents))?;
        let store = stores.get(object.place as usize)?;
        Some(store.without_links(&object.entry.key))
    };
    let mut first = HashMap::new();
    for (_, object) in objects.iter() {
        if let Some(path) = path(object) {
            let place = first.entry(path).or_insert(object.place);
            *place = object.place.min(*place);
        }
    }
    objects.retain(|(_, object)| {
        let first = path(object).and_then(|path| first.get(&path));
        first.is_none_or(|&first| first == object.place)
    });
}

/// Plans the splits. An object that is to be cut is looked at first: one that is compressed, whatever its
/// name says, can only be read from its beginning.
fn plan_by_content(
    stores: &[Box<dyn Store>],
    objects: &mut [InputObject],
    split_bytes: Option<u64>,
) -> Result<SplitSet> {
    let first = plan(objects, split_bytes);
    if !look_at(stores, objects, first.cut_objects())? {
        return Ok(first);
    }
    // Other objects may be cut instead.
    let may_be_cut = |object: &InputObject| {
        object.can_be_cut() && !object.is_looked_at && object.entry.size > first.never_cut
    };
    let numbers = objects.iter().enumerate();
    let numbers = numbers.filter(|(_, object)| may_be_cut(object));
    let numbers = numbers.map(|(number, _)| number).collect();
    look_at(stores, objects, numbers)?;
    Ok(plan(objects, split_bytes))
}

/// Looks at the first bytes of these objects, side by side. Returns whether any of them cannot be cut: it is
/// compressed against its name, or of another format.
fn look_at(
    stores: &[Box<dyn Store>],
    objects: &mut [InputObject],
    numbers: Vec<usize>,
) -> Result<bool> {
    let look = || {
        let looked = numbers.par_iter().map(|&number| {
            let object = objects.get(number);
            let store = object.and_then(|object| stores.get(object.place as usize));
            match (store, object) {
                (Some(store), Some(object)) => look(store.as_ref(), object),
                _ => Ok((None, Layout::default())),
            }
        });
        looked.collect::<Result<Vec<_>>>()
    };
    let requests = stores.iter().find_map(|store| store.requests());
    let looked = match requests.filter(|_| !numbers.is_empty()) {
        None => look()?,
        Some(requests) => start_workers(requests)?.install(look)?,
    };
    let mut any = false;
    for (number, (compression, layout)) in numbers.into_iter().zip(looked) {
        if let Some(object) = objects.get_mut(number) {
            (object.compression, object.layout) = (compression, layout);
            object.is_looked_at = true;
            any |= !object.can_be_cut();
        }
    }
    Ok(any)
}

/// Returns how an object is compressed that is not by its name, and how its records are arranged.
fn look(store: &dyn Store, object: &InputObject) -> Result<(Option<InputCompression>, Layout)> {
    let mut first = Vec::new();
    let mut reader = store.read(vec![object.range(0, HEAD_BYTES as u64)]);
    reader.next_range()?;
    let read = reader.take(HEAD_BYTES as u64).read_to_end(&mut first);
    read.map_err(|e| Error::io("cannot read", store.display(&object.entry.key).as_ref(), &e))?;
    let compression = by_content(&first, true, None).flatten();
    let layout = detect(&first, true).unwrap_or_default();
    Ok((compression, layout))
}
