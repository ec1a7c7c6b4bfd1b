//! One kind of input: its store, its objects and their splits.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rayon::prelude::*;

use super::stages::{Stage, Stages};
use super::start_workers;
use crate::config::{LoadedObjects, RecordKind};
use crate::decode::schema::RecordSchema;
use crate::error::{Error, Result};
use crate::input::{Listing, Object, Plan, plan};
use crate::output::report::InputReport;
use crate::star::schema::{EVENT_RECORD, SONG_RECORD};
use crate::storage::{Depth, Place, Store, Stores};

/// Prefixes that are enough to list side by side: what is below them is listed in one go each, where the
/// store can do that.
const MANY_PREFIXES: usize = 64;

/// Song or log objects, listed and planned.
#[derive(Debug)]
pub struct Source {
    /// What its records are.
    pub kind: RecordKind,
    /// Where the objects are.
    pub store: Box<dyn Store>,
    /// The objects, in the order in which they are taken.
    pub objects: Vec<Object>,
    /// The objects cut into splits.
    pub plan: Plan,
    ignored: u64,
    loaded: u64,
}

impl Source {
    /// Lists all objects at `place`, which the command line calls `argument`, and plans the splits of those
    /// that are not `loaded`.
    ///
    /// # Errors
    /// The place does not exist, cannot be listed, or holds no input object.
    pub fn open(
        kind: RecordKind,
        argument: &str,
        stores: &Stores,
        place: &Place,
        loaded: &LoadedObjects,
        split_bytes: Option<u64>,
        stages: &Stages,
    ) -> Result<Self> {
        let began = Instant::now();
        let store = stores.open(place)?;
        let listing = Mutex::default();
        let list = || list(store.as_ref(), "", 1, &listing);
        match store.requests() {
            None => list()?,
            // A request is waited for by a thread that does nothing else.
            Some(requests) => start_workers(requests)?.install(list)?,
        }
        let mut listing = listing.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (phase, sort) = match kind {
            RecordKind::Song => ("list songs", "sort songs"),
            RecordKind::Log => ("list logs", "sort logs"),
        };
        stages.phase(phase, listing.levels, began);
        let sorting = Instant::now();
        // The order in which they are taken: byte order of their keys.
        let objects = &mut listing.objects;
        objects.par_sort_unstable_by(|a, b| a.entry.key.cmp(&b.entry.key));
        stages.phase(sort, None, sorting);
        if listing.objects.is_empty() {
            let mut why = "it holds no object whose name ends in .json, .jsonl or .ndjson (then \
                           perhaps .gz, .bz2 or .zst)"
                .to_owned();
            if listing.ignored > 0 {
                why += &format!("; ignored: {}", listing.ignored);
            }
            return Err(Error::failed(format!("no {} in {place}", kind.plural()))
                .because(why)
                .hint(format!("check {argument}")));
        }
        let listed = listing.objects.len();
        if !loaded.is_empty() {
            listing.objects.retain(|Object { entry, .. }| {
                !loaded.contains(store.identity(&entry.key), entry.etag())
            });
        }
        let left_out = listed - listing.objects.len();
        let plan = plan(&listing.objects, split_bytes);
        stages.add(Stage::List, began, plan.bytes, listing.objects.len() as u64);
        Ok(Self {
            kind,
            store,
            objects: listing.objects,
            plan,
            ignored: listing.ignored,
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
    pub fn display(&self, object: &Object) -> String {
        self.store.display(&object.entry.key)
    }

    /// Objects that were left out because they are loaded.
    pub fn loaded(&self) -> u64 {
        self.loaded
    }

    /// A report of what was listed, with nothing read yet.
    pub fn report(&self) -> InputReport {
        InputReport {
            objects: self.objects.len() as u64,
            ignored_objects: self.ignored,
            bytes: self.plan.bytes,
            ..InputReport::default()
        }
    }
}

/// Lists all objects below a prefix that is one of `width` to be listed, prefixes side by side.
fn list(store: &dyn Store, prefix: &str, width: usize, listing: &Mutex<Listing>) -> Result<()> {
    let depth = if width < MANY_PREFIXES {
        Depth::Level
    } else {
        Depth::Whole
    };
    let level = store.list(prefix, depth)?;
    let below = listing
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .add(prefix, level)?;
    let width = width.saturating_mul(below.len());
    below
        .par_iter()
        .try_for_each(|prefix| list(store, prefix, width, listing))
}
