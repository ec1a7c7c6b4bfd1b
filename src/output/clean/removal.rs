//! Removes a run, unless it turns out to be alive.

use super::entry::RunState;
use super::stored_runs::{StoredRun, list_run};
use crate::error::Result;
use crate::output::layout::{RunObject, RunObjectKey};
use crate::storage::{PutMode, Store};

/// Removes a run, and returns true. An unfinished run that has new objects, after it was marked as being removed, is alive and is kept (false):
/// `output::publish::side_by_side` says why no run is published with parts missing.
pub(super) fn remove_run(store: &dyn Store, state: RunState, run: StoredRun) -> Result<bool> {
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
            store.delete(&[marker])?;
            return Ok(false);
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
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::clean::stored_runs::list_runs;
    use crate::storage::MemoryStore;

    const RUN: &str = "20261130T051153123Z-0123abcd";

    fn put(store: &dyn Store, object: RunObject) {
        let run = RUN.parse().unwrap();
        let key = RunObjectKey { run, object }.to_string();
        let written = store.put(&key, Vec::new(), PutMode::Overwrite);
        assert!(written.is_ok(), "{written:?}");
    }

    fn listed_run(store: &dyn Store) -> StoredRun {
        let mut runs = list_runs(store).unwrap();
        let (id, contents) = runs.pop_first().unwrap();
        StoredRun { id, contents }
    }

    fn keys(store: &dyn Store) -> Vec<String> {
        let objects = store.list_all("").unwrap().objects.into_iter();
        objects.map(|object| object.key).collect()
    }

    #[test]
    fn a_run_that_writes_its_report_after_the_listing_is_kept() {
        let store = MemoryStore::new();
        put(&store, RunObject::FailedReport);
        let run = listed_run(&store);
        put(&store, RunObject::Report);
        let before = keys(&store);
        let is_removed = remove_run(&store, RunState::Unfinished, run).unwrap();
        assert!(!is_removed);
        assert_eq!(keys(&store), before);
    }

    #[test]
    fn objects_that_no_run_writes_are_kept() {
        let store = MemoryStore::new();
        put(&store, RunObject::FailedReport);
        let notes = format!("{RUN}/notes.txt");
        let written = store.put(&notes, Vec::new(), PutMode::Create).unwrap();
        assert_eq!(written, crate::storage::PutResult::Written);
        let run = listed_run(&store);
        assert!(remove_run(&store, RunState::Unfinished, run).unwrap());
        assert_eq!(keys(&store), [notes]);
    }
}
