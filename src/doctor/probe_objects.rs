//! Writes objects that are removed again, also if a check fails or is stopped.

use uuid::Uuid;

use crate::error::Result;
use crate::interrupt;
use crate::storage::{Location, Store, StoreOpener};

/// The folder of the probes in the output. No run has this name.
const PROBE_DIR: &str = "_doctor";

/// Objects in a folder of their own below an output in S3.
#[derive(Debug)]
pub(super) struct ProbeObjects {
    store: Box<dyn Store>,
    /// The objects that may exist.
    keys: Vec<String>,
}

impl ProbeObjects {
    /// Opens a folder that no other checkup uses. Writes nothing.
    ///
    /// # Errors
    /// Returns an error if the S3 client cannot be configured.
    pub(super) fn open(stores: &StoreOpener, out: &Location) -> Result<Self> {
        let folder = out.join(PROBE_DIR).join(&Uuid::now_v7().to_string());
        Ok(Self {
            store: stores.open_output(&folder)?,
            keys: Vec::new(),
        })
    }

    /// Returns the store of the folder, and notes that an object is about to be written.
    pub(super) fn store_for(&mut self, key: &str) -> &dyn Store {
        if !self.keys.iter().any(|known| known == key) {
            self.keys.push(key.to_owned());
        }
        self.store.as_ref()
    }

    /// Returns the store of the folder.
    pub(super) fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// Removes the objects.
    ///
    /// # Errors
    /// Returns an error if an object cannot be removed.
    pub(super) fn remove(&mut self) -> Result<()> {
        // What cannot be removed now cannot be removed later either.
        let keys = std::mem::take(&mut self.keys);
        match keys.is_empty() {
            true => Ok(()),
            false => self.store.delete(&keys),
        }
    }
}

impl Drop for ProbeObjects {
    fn drop(&mut self) {
        if interrupt::is_stopping() {
            self.store.disable_retries();
        }
        if let Err(error) = self.remove() {
            tracing::warn!("cannot remove the probe: {error}");
        }
    }
}
