//! Lists the input of the engine inside Redshift, which reads the objects by itself.

use std::collections::BTreeMap;
use std::time::Instant;

use super::input_source::record_schema;
use super::input_warnings::warn_about_input;
use super::listed_input::{ListedInput, ListingOverview, ObjectSelection};
use super::listing::InputArgument;
use super::thread_pool::build_thread_pool;
use super::timings::{PipelineStage, Timings};
use crate::config::{InputSpec, RunConfig, RunInput};
use crate::error::{Error, Result};
use crate::input::{InputObject, RecordKind};
use crate::observer::Observer;
use crate::output::raw_staging::{RawObject, RawSource};
use crate::output::run_report::StageReport;
use crate::storage::{ACCESS_POINT_ALIAS_HINT, Location, StoreOpener};

/// The songs and the logs of a run inside Redshift.
#[derive(Debug, Clone)]
pub struct RawInput {
    /// The song objects.
    pub songs: RawSource,
    /// The log objects.
    pub logs: RawSource,
    /// Whether all objects are loaded already, so that there is nothing to stage.
    pub has_nothing_new: bool,
    /// The work of each stage so far, by the name of the stage.
    pub stages: BTreeMap<String, StageReport>,
}

/// Lists the objects that a run with this configuration reads, and warns about changed objects and absent logs. The
/// same objects are input as for a run outside of Redshift, in the same order. No object is read.
///
/// # Errors
/// Returns an error if a location does not exist, is not in S3, cannot be listed or contains no input object, if a
/// glob matches nothing, or if the run is a replay.
pub fn list_raw_input(
    config: &RunConfig,
    stores: &StoreOpener,
    observer: &dyn Observer,
) -> Result<RawInput> {
    let [songs, logs] = redshift_input(&config.input)?;
    let span = tracing::Span::current();
    build_thread_pool(config.threads)?.install(|| {
        let _entered = span.enter();
        let timings = Timings::default();
        let list = |kind, name, spec| {
            let argument = InputArgument { kind, name, spec };
            list_source(config, stores, argument, &timings)
        };
        let (songs, song_overview) = list(RecordKind::Song, "--songs", songs)?;
        let (logs, log_overview) = list(RecordKind::Log, "--logs", logs)?;
        warn_about_input([&song_overview, &log_overview], observer);
        let selections = (&song_overview.selection, &log_overview.selection);
        Ok(RawInput {
            songs,
            logs,
            has_nothing_new: ObjectSelection::has_nothing_new(selections.0, selections.1),
            stages: timings.stage_reports(),
        })
    })
}

/// Returns the songs and the logs that Redshift reads.
///
/// # Errors
/// Returns an error if one of their locations is not in S3, or if the input consists of rejects.
pub(crate) fn redshift_input(input: &RunInput) -> Result<[&InputSpec; 2]> {
    let RunInput::Objects { songs, logs } = input else {
        return Err(unusable_engine(
            "Redshift reads songs and logs, not reject files",
        ));
    };
    let mut locations = songs.locations.iter().chain(&logs.locations);
    let is_unreadable = |location: &&Location| {
        matches!(location, Location::Local(_)) || location.is_in_access_point_arn()
    };
    match locations.find(is_unreadable) {
        None => Ok([songs, logs]),
        Some(location @ Location::S3 { .. }) => Err(unusable_engine(format!(
            "COPY does not take the ARN of an access point, such as that of {location}"
        ))
        .with_hint(ACCESS_POINT_ALIAS_HINT)),
        Some(local) => Err(
            unusable_engine("Redshift cannot read local files").with_hint(format!(
                "upload {local} to S3, or leave out --engine redshift"
            )),
        ),
    }
}

/// Returns the error of a run that the engine inside Redshift cannot carry out.
pub(crate) fn unusable_engine(reason: impl std::fmt::Display) -> Error {
    Error::usage("cannot use --engine redshift").with_reason(reason)
}

/// Lists the objects of one kind.
fn list_source(
    config: &RunConfig,
    stores: &StoreOpener,
    argument: InputArgument<'_>,
    timings: &Timings,
) -> Result<(RawSource, ListingOverview)> {
    let _span = tracing::info_span!("list").entered();
    let began = Instant::now();
    let loaded = config.loaded_objects.as_ref();
    let ListedInput {
        stores,
        objects,
        overview,
    } = ListedInput::list(stores, argument, loaded, timings)?;
    let (count, bytes) = (
        objects.len() as u64,
        objects.iter().map(|object| object.meta.size).sum(),
    );
    let raw_object = |object: InputObject| {
        let store = &stores[object.location_index as usize];
        RawObject {
            url: store.absolute_name(&object.meta.key),
            bytes: object.meta.size,
            etag: object.meta.etag(),
        }
    };
    let source = RawSource {
        kind: argument.kind,
        record: record_schema(argument.kind),
        objects: objects.into_iter().map(raw_object).collect(),
        report: overview.report(count, bytes),
    };
    timings.record(PipelineStage::List, began, bytes, count);
    tracing::info!(
        objects = count,
        bytes,
        changed = overview.selection.changed.len(),
        already_loaded = overview.selection.already_loaded,
        "listed the {}",
        argument.kind.plural()
    );
    Ok((source, overview))
}
