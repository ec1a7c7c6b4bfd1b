//! Checks that songs and logs can be listed and read.

use super::check::Outcome;
use super::check_id::CheckId;
use super::checkup::Checkup;
use super::disk::describe_bytes;
use crate::error::Result;
use crate::input::{InputSpec, RecordKind};
use crate::output::raw_staging::GivenJsonPaths;
use crate::pipeline::{InputSurvey, record_schema};
use crate::storage::{Location, StoreOpener};

/// What checks of objects in S3 need.
pub(super) const S3_NEEDS: [CheckId; 1] = [CheckId::BucketRegion];

/// Returns what a check of locations needs.
pub(super) fn needs_of<'a>(
    locations: impl IntoIterator<Item = &'a Location>,
) -> &'static [CheckId] {
    let mut locations = locations.into_iter();
    match locations.any(|location| matches!(location, Location::S3 { .. })) {
        true => &S3_NEEDS,
        false => &[],
    }
}

/// Checks an input. Returns its size in bytes if it could be listed.
///
/// # Errors
/// Returns an error if the checkup is to stop.
pub(crate) fn check_input(
    checkup: &mut Checkup<'_>,
    stores: &StoreOpener,
    kind: RecordKind,
    spec: &InputSpec,
) -> Result<Option<u64>> {
    let (list, read, argument) = match kind {
        RecordKind::Song => (CheckId::SongsList, CheckId::SongsRead, "--songs"),
        RecordKind::Log => (CheckId::LogsList, CheckId::LogsRead, "--logs"),
    };
    let needs = needs_of(&spec.locations);
    let mut survey = None;
    checkup.check(list, needs, || {
        let survey = survey.insert(InputSurvey::list(stores, kind, argument, spec)?);
        let (objects, bytes) = (survey.objects(), describe_bytes(survey.bytes()));
        let noun = if objects == 1 { "object" } else { "objects" };
        Ok(Outcome::ok(format!("{objects} {noun} ({bytes}) in {spec}")))
    })?;
    checkup.check(read, &[list], || {
        let read = survey.as_ref().map(InputSurvey::read_one).transpose()?;
        Ok(match read.flatten() {
            Some(name) => Outcome::ok(format!("read {name}")),
            None => Outcome::warning(
                format!("all objects of the {} are empty", kind.plural()),
                format!("check {argument}"),
            ),
        })
    })?;
    Ok(survey.map(|survey| survey.bytes()))
}

/// Checks the JSONPaths file of the configuration file. Only the engine inside Redshift reads it, so that a file that cannot
/// be used is a warning.
///
/// # Errors
/// Returns an error if the checkup is to stop.
pub(crate) fn check_log_jsonpaths(
    checkup: &mut Checkup<'_>,
    stores: &StoreOpener,
    location: &Location,
) -> Result<()> {
    checkup.check(CheckId::LogJsonpath, needs_of([location]), || {
        let read = GivenJsonPaths::read(stores, location, record_schema(RecordKind::Log));
        Ok(match read {
            Ok(_) => Outcome::ok(format!("{location} has a path for each key of the logs")),
            Err(error) => Outcome::warning(
                format!(
                    "{}, which sparkify run --engine redshift needs",
                    error.description()
                ),
                error.hint().unwrap_or_default(),
            ),
        })
    })?;
    Ok(())
}
