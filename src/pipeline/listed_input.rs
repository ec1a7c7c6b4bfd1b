//! Lists the objects of one kind of input and leaves out those that the warehouse has.

use std::time::Instant;

use chrono::Utc;

use super::listing::{InputArgument, ListedLocations, list_locations, merge_listings};
use super::timings::Timings;
use crate::config::{LoadState, LoadedObjects};
use crate::error::Result;
use crate::input::{AbsentDays, DailyNames, IgnoredCounts, InputObject, RecordKind};
use crate::output::run_report::InputReport;
use crate::storage::{Location, Store, StoreOpener};

/// The song objects or the log objects to read.
pub(super) struct ListedInput {
    /// The stores of the objects, by [`InputObject::location_index`].
    pub stores: Vec<Box<dyn Store>>,
    /// The objects, in input order.
    pub objects: Vec<InputObject>,
    /// What else the listing found.
    pub overview: ListingOverview,
}

/// What a listing found besides the objects to read.
#[derive(Debug)]
pub(super) struct ListingOverview {
    /// The kind of the records.
    pub kind: RecordKind,
    /// The folders, files and bucket prefixes of the locations, with globs resolved.
    pub resolved_locations: Vec<Location>,
    /// The locations, as they were given.
    pub locations: Vec<String>,
    /// The objects that do not count as input.
    pub ignored: IgnoredCounts,
    /// What the warehouse has of the listed objects.
    pub selection: ObjectSelection,
}

/// How the listed objects were divided by what the warehouse has of them.
#[derive(Debug, Clone, Default)]
pub(super) struct ObjectSelection {
    /// Objects that it has nothing of.
    pub new: u64,
    /// The names of the objects that it has another version of. They are read again.
    pub changed: Vec<String>,
    /// Objects that it has. They are left out.
    pub already_loaded: u64,
    /// The days of which no log is there, by the names of the logs.
    pub absent_days: Vec<AbsentDays>,
}

impl ListedInput {
    /// Lists all objects of `argument` that are not `loaded` into the warehouse, if there is one.
    ///
    /// # Errors
    /// Returns an error if a location does not exist, cannot be listed or contains no input object, or if a glob
    /// matches nothing.
    pub(super) fn list(
        stores: &StoreOpener,
        argument: InputArgument<'_>,
        loaded: Option<&LoadedObjects>,
        timings: &Timings,
    ) -> Result<Self> {
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
        let selection = match loaded {
            None => ObjectSelection::all_new(&objects),
            Some(loaded) => leave_out_loaded(kind, &stores, &mut objects, loaded),
        };
        let locations = argument.spec.locations.iter();
        Ok(Self {
            stores,
            objects,
            overview: ListingOverview {
                kind,
                resolved_locations: resolved,
                locations: locations.map(Location::to_string).collect(),
                ignored,
                selection,
            },
        })
    }
}

impl ListingOverview {
    /// Returns the report of the listed objects, before anything is read.
    pub(super) fn report(&self, objects: u64, bytes: u64) -> InputReport {
        InputReport {
            locations: self.locations.clone(),
            objects,
            new_objects: self.selection.new,
            changed_objects: self.selection.changed.len() as u64,
            already_loaded_objects: self.selection.already_loaded,
            ignored_objects: self.ignored.objects(),
            ignored_extensions: self.ignored.by_extension(),
            bytes,
            ..InputReport::default()
        }
    }
}

impl ObjectSelection {
    /// Returns the selection of all objects, without a warehouse.
    fn all_new(objects: &[InputObject]) -> Self {
        Self {
            new: objects.len() as u64,
            ..Self::default()
        }
    }

    /// Returns true if all objects are loaded already, so that there is nothing to read.
    pub(super) fn has_nothing_new(songs: &Self, logs: &Self) -> bool {
        let both = [songs, logs];
        both.iter().all(|s| s.new == 0 && s.changed.is_empty())
            && both.iter().any(|s| s.already_loaded > 0)
    }
}

/// Removes the objects that are loaded already.
fn leave_out_loaded(
    kind: RecordKind,
    stores: &[Box<dyn Store>],
    objects: &mut Vec<InputObject>,
    loaded: &LoadedObjects,
) -> ObjectSelection {
    let mut selection = ObjectSelection::default();
    let mut names = DailyNames::default();
    objects.retain(|object| {
        let store = &stores[object.location_index as usize];
        let name = store.absolute_name(&object.meta.key);
        if kind == RecordKind::Log {
            names.add_listed(&name);
        }
        match loaded.state(kind, &name, &object.meta.etag()) {
            LoadState::New => selection.new += 1,
            LoadState::Changed => selection.changed.push(store.display(&object.meta.key)),
            LoadState::Loaded => {
                selection.already_loaded += 1;
                return false;
            }
        }
        true
    });
    loaded.names(kind).for_each(|name| names.add_loaded(name));
    selection.absent_days = names.absent_days(Utc::now().date_naive());
    selection
}
