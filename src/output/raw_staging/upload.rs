//! Uploads the objects of a plan. Lists are streamed, so that memory does not hold them.

use std::io::{self, BufWriter, Write};

use serde::Serialize;

use super::jsonpaths::jsonpaths_of_record;
use super::plan::{RawStagingPlan, objects_to_copy};
use super::raw_source::RawSource;
use crate::error::{Error, Result};
use crate::input::InputCompression;
use crate::output::copy_manifest::write_json_manifest;
use crate::output::layout::{RawStagingObject, RunObject};
use crate::storage::{PutMode, Store};

/// The bytes that are passed to the store at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// A row of the list of source objects.
#[derive(Serialize)]
struct SourceObjectLine<'a> {
    kind: &'a str,
    object: &'a str,
    etag: &'a str,
}

impl RawStagingPlan<'_> {
    /// Writes everything to the store of the run. What was written before is replaced, so that it can be repeated.
    ///
    /// # Errors
    /// Returns an error if an object cannot be written.
    pub fn upload(&self, run: &dyn Store) -> Result<()> {
        let _span = tracing::info_span!("upload").entered();
        for source in self.sources {
            self.upload_source(run, source)?;
        }
        write_object(run, RawStagingObject::SourceObjects, |out| {
            for source in self.sources {
                for object in &source.objects {
                    let line = SourceObjectLine {
                        kind: source.kind.singular(),
                        object: &object.url,
                        etag: &object.etag,
                    };
                    serde_json::to_writer(&mut *out, &line)?;
                    out.write_all(b"\n")?;
                }
            }
            Ok(())
        })?;
        let list = [self.source_objects.as_str()];
        write_object(run, RawStagingObject::SourceObjectsManifest, |out| {
            write_json_manifest(out, list.into_iter())
        })?;
        tracing::info!(copies = self.copies.len(), "wrote the manifests");
        Ok(())
    }

    /// Writes the manifests and the JSONPaths of one kind of record.
    fn upload_source(&self, run: &dyn Store, source: &RawSource) -> Result<()> {
        let kind = source.kind;
        for compression in InputCompression::ALL_OR_NONE {
            let mut urls = objects_to_copy(source, compression)
                .map(|object| object.url.as_str())
                .peekable();
            if urls.peek().is_some() {
                let manifest = RawStagingObject::Manifest { kind, compression };
                write_object(run, manifest, |out| write_json_manifest(out, urls))?;
            }
        }
        if !self.copies.iter().any(|copy| copy.kind == kind) {
            return Ok(());
        }
        let key = RunObject::RawStaging(RawStagingObject::JsonPaths(kind)).to_string();
        let json = match self.given_jsonpaths(kind) {
            None => jsonpaths_of_record(source.record)
                .map_err(|e| Error::io("cannot write", run.display(&key).as_ref(), e.into()))?,
            // A copy of the file that was checked: the file itself may change before it is read.
            Some(given) => given.json.clone(),
        };
        // An unconditional write has no other result.
        let _ = run.put(&key, json, PutMode::Overwrite)?;
        Ok(())
    }
}

/// Writes an object while `write` makes it.
fn write_object(
    run: &dyn Store,
    object: RawStagingObject,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let key = RunObject::RawStaging(object).to_string();
    let write_error = |e: io::Error| Error::io("cannot write", run.display(&key).as_ref(), e);
    let mut upload = run.create(&key)?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, &mut upload);
    write(&mut out)
        .and_then(|()| out.flush())
        .map_err(write_error)?;
    drop(out);
    upload.finish()?;
    Ok(())
}
