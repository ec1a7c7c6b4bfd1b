//! Removes a run, unless it turns out to be alive.

use super::entry::RunState;
use super::stored_runs::{StoredRun, list_run};
use crate::error::Result;
use crate::output::layout::{RunObject, RunObjectKey};
use crate::storage::{PutMode, Store};

/// Removes a run. An unfinished run that has new objects, after it was marked as being removed, is alive and is kept:
/// `output::publish::s3` says why no run is published with parts missing.
pub(super) fn remove_run(store: &dyn Store, state: RunState, run: StoredRun) -> Result<()> {
    let StoredRun { id, contents } = run;
    let key_of = |object: RunObject| {
        let run = id.clone();
        RunObjectKey { run, object }.to_string()
    };
    let marker = key_of(RunObject::RemovalMarker);
    let mut objects = contents.objects;
    if state == RunState::Unfinished && !objects.is_empty() {
        let text = b"sparkify clean removes this run\n".to_vec();
        // An unconditional write has no other result.
        let _ = store.put(&marker, text, PutMode::Overwrite)?;
        objects.push(RunObject::RemovalMarker);
        let found = list_run(store, &format!("{id}/"))?;
        if found.objects.iter().any(|object| !objects.contains(object)) {
            return store.delete(&[marker]);
        }
    }
    for upload in &contents.uploads {
        store.abort_upload(upload)?;
    }
    // The report goes first: without it nothing mistakes the rest for a complete run. The marker goes last.
    let is_other =
        |object: &RunObject| !matches!(object, RunObject::Report | RunObject::RemovalMarker);
    let others = objects.iter().copied().filter(is_other);
    let others: Vec<String> = others.map(key_of).collect();
    if objects.contains(&RunObject::Report) {
        store.delete(&[key_of(RunObject::Report)])?;
    }
    store.delete(&others)?;
    if objects.contains(&RunObject::RemovalMarker) {
        store.delete(&[marker])?;
    }
    store.remove_empty_folders(&id.to_string());
    Ok(())
}
