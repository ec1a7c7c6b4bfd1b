//! Checks that the output can be written, as publishing a run needs it.

use std::fs;
use std::path::Path;

use super::check::Outcome;
use super::check_id::CheckId;
use super::checkup::Checkup;
use super::disk::existing_ancestor;
use super::input::S3_NEEDS;
use super::probe_objects::ProbeObjects;
use crate::error::{Error, Result};
use crate::storage::{ListMode, Location, ObjectVersion, PutMode, PutResult, StoreOpener};

/// The object that the checks write.
const PROBE: &str = "probe";

/// The contents of the probe, before and after it is replaced.
const CONTENTS: [&[u8]; 2] = [
    b"written by sparkify doctor\n",
    b"replaced by sparkify doctor\n",
];

/// An ETag that no contents of the probe have.
const OTHER_ETAG: &str = "\"00000000000000000000000000000000\"";

/// Checks an output in S3. The probe is removed.
///
/// # Errors
/// Returns an error if the checkup is to stop.
pub(crate) fn check_s3_output(
    checkup: &mut Checkup<'_>,
    stores: &StoreOpener,
    out: &Location,
) -> Result<()> {
    let mut probe = None;
    checkup.check(CheckId::OutWrite, &S3_NEEDS, || {
        let probe = probe.insert(ProbeObjects::open(stores, out)?);
        let [contents, _] = CONTENTS;
        let store = probe.store_for(PROBE);
        let _ = store.put(PROBE, contents.to_vec(), PutMode::Overwrite)?;
        Ok(Outcome::ok(format!("{out} can be written")))
    })?;
    let Some(mut probe) = probe else {
        return skip_all(checkup);
    };
    let mut versions = None;
    checkup.check(CheckId::OutRead, &[CheckId::OutWrite], || {
        let found = versions.insert(read_versions(&probe)?);
        Ok(match found.listed {
            Some(_) => Outcome::ok("what was written can be listed and read"),
            None => Outcome::failed(
                format!("a listing of {out} lacks what was just written"),
                "use a server whose listings are consistent, as those of S3 are",
            ),
        })
    })?;
    checkup.check(CheckId::OutEtag, &[CheckId::OutRead], || {
        check_etags(&mut probe, versions.as_ref())
    })?;
    let needs = [CheckId::OutRead, CheckId::OutEtag];
    checkup.check(CheckId::OutConditionalPut, &needs, || {
        check_conditions(&mut probe)
    })?;
    checkup.check(CheckId::OutCleanUp, &[CheckId::OutWrite], || {
        let name = probe.store().display(PROBE);
        probe.remove().map_err(|error| {
            error.add_hint(format!("sparkify clean needs it too; remove {name}"))
        })?;
        Ok(Outcome::ok("what was written can be removed"))
    })?;
    Ok(())
}

/// Skips what needs the object that could not be written.
fn skip_all(checkup: &mut Checkup<'_>) -> Result<()> {
    for id in [
        CheckId::OutRead,
        CheckId::OutEtag,
        CheckId::OutConditionalPut,
        CheckId::OutCleanUp,
    ] {
        checkup.check(id, &[CheckId::OutWrite], || {
            Ok(Outcome::skipped("nothing was written"))
        })?;
    }
    Ok(())
}

/// The versions of the probe, as a listing and a read tell them.
#[derive(Debug)]
struct ProbeVersions {
    listed: Option<ObjectVersion>,
    read: ObjectVersion,
}

fn read_versions(probe: &ProbeObjects) -> Result<ProbeVersions> {
    let store = probe.store();
    let contents = store.get(PROBE)?.ok_or_else(|| {
        Error::failed(format!("cannot read {}", store.display(PROBE)))
            .with_reason("it does not exist, although it was just written")
    })?;
    let listing = store.list("", ListMode::Recursive)?;
    let listed = listing
        .objects
        .into_iter()
        .find(|object| object.key == PROBE);
    Ok(ProbeVersions {
        listed: listed.map(|object| object.version),
        read: contents.version,
    })
}

/// A run recognizes by ETags that an object has changed, and updates `latest.json` by them.
fn check_etags(probe: &mut ProbeObjects, before: Option<&ProbeVersions>) -> Result<Outcome> {
    let failed = |what: &str| {
        Outcome::failed(
            what,
            "use a server with the ETags of S3: without them a run does not notice that an object changes while it reads it",
        )
    };
    let Some(ProbeVersions {
        listed: Some(listed),
        read,
    }) = before
    else {
        return Ok(failed("the server tells no version of an object"));
    };
    if !matches!(listed, ObjectVersion::ETag(_)) || !matches!(read, ObjectVersion::ETag(_)) {
        return Ok(failed("the server gives objects no ETag"));
    }
    if listed != read {
        return Ok(failed(
            "listings and reads tell different ETags of an object",
        ));
    }
    let [_, contents] = CONTENTS;
    let store = probe.store_for(PROBE);
    let _ = store.put(PROBE, contents.to_vec(), PutMode::Overwrite)?;
    Ok(match read_versions(probe)? {
        after if after.read == *read => failed("an object keeps its ETag when it is replaced"),
        _ => Outcome::ok("ETags change with the contents"),
    })
}

/// Runs that publish at the same time replace `latest.json` only if nobody else did in the meantime.
fn check_conditions(probe: &mut ProbeObjects) -> Result<Outcome> {
    let version = read_versions(probe)?.read;
    let other = ObjectVersion::ETag(OTHER_ETAG.into());
    let [_, contents] = CONTENTS;
    let store = probe.store_for(PROBE);
    let put = |mode| store.put(PROBE, contents.to_vec(), mode);
    let failed = |what: &str| {
        Outcome::failed(
            what,
            "use a server with conditional writes, or never let two runs write to the same output at the same time",
        )
    };
    if put(PutMode::Create)? == PutResult::Written {
        return Ok(failed(
            "the server replaces an object although If-None-Match says that there must be none",
        ));
    }
    if put(PutMode::Update(other))? == PutResult::Written {
        return Ok(failed(
            "the server replaces an object although If-Match names another version",
        ));
    }
    Ok(match put(PutMode::Update(version))? {
        PutResult::Written => Outcome::ok("conditional writes are supported"),
        PutResult::ConditionFailed => {
            failed("the server refuses to replace an object although If-Match names its version")
        }
    })
}

/// Checks an output folder. A run without a warehouse replaces the folder, and so writes beside it.
///
/// # Errors
/// Returns an error if the checkup is to stop.
pub(crate) fn check_local_output(
    checkup: &mut Checkup<'_>,
    out: &Path,
    is_replaced: bool,
) -> Result<()> {
    checkup.check(CheckId::OutWrite, &[], || {
        match fs::metadata(out) {
            Ok(found) if !found.is_dir() => {
                return Ok(Outcome::failed(
                    format!("{} is not a folder", out.display()),
                    "choose another --out",
                ));
            }
            _ => {}
        }
        let absolute =
            std::path::absolute(out).map_err(|e| Error::io("cannot write to", out, e))?;
        let folder = match is_replaced {
            true => absolute.parent().unwrap_or(&absolute),
            false => &absolute,
        };
        let folder = existing_ancestor(folder);
        // The file has no name, so that nothing can be left of it.
        tempfile::tempfile_in(&folder).map_err(|e| Error::io("cannot write to", &folder, e))?;
        Ok(Outcome::ok(format!("{} can be written", folder.display())))
    })?;
    Ok(())
}
