//! Opens the store for a location.

use std::sync::{Arc, Mutex, PoisonError};

use super::local::LocalStore;
use super::location::Location;
use super::s3::{S3Client, S3Endpoint, S3Options, S3Store};
use super::store::Store;
use crate::error::Result;

/// Opens stores. All S3 stores share one client.
#[derive(Debug, Default)]
pub struct StoreOpener {
    options: S3Options,
    s3_client: Mutex<Option<Arc<S3Client>>>,
}

impl StoreOpener {
    /// Creates an opener without any open store.
    pub fn new(options: S3Options) -> Self {
        Self {
            options,
            s3_client: Mutex::default(),
        }
    }

    /// Opens the store for a location to read from.
    ///
    /// # Errors
    /// Returns an error if the location does not exist or cannot be read.
    pub fn open(&self, location: &Location) -> Result<Box<dyn Store>> {
        Ok(match location {
            Location::Local(path) => Box::new(LocalStore::new(path)?),
            Location::S3 { bucket, prefix } => {
                Box::new(S3Store::open(self.s3_client()?, bucket, prefix)?)
            }
        })
    }

    /// Opens the store for the names in a folder that begin with `name_prefix` or, if the store cannot list by
    /// a prefix, for everything in the folder.
    ///
    /// # Errors
    /// Returns an error if the folder does not exist or cannot be read.
    pub fn open_folder(&self, folder: &Location, name_prefix: &str) -> Result<Box<dyn Store>> {
        Ok(match folder {
            Location::Local(path) => Box::new(LocalStore::open_folder(path)?),
            Location::S3 { bucket, prefix } => Box::new(
                S3Store::for_input(self.s3_client()?, bucket, prefix).with_name_prefix(name_prefix),
            ),
        })
    }

    /// Opens the store for everything below an output location. A local one must exist, and its symbolic links are
    /// objects themselves, so that nothing outside of it is listed or removed.
    ///
    /// # Errors
    /// Returns an error if the location cannot be read or the S3 client cannot be configured.
    pub fn open_output(&self, location: &Location) -> Result<Box<dyn Store>> {
        Ok(match location {
            Location::Local(path) => Box::new(LocalStore::new(path)?.without_following_links()),
            Location::S3 { bucket, prefix } => {
                Box::new(S3Store::new(self.s3_client()?, bucket, prefix))
            }
        })
    }

    /// Returns where the requests to S3 go.
    ///
    /// # Errors
    /// Returns an error if the S3 client cannot be configured.
    pub(crate) fn s3_endpoint(&self) -> Result<S3Endpoint> {
        Ok(self.s3_client()?.endpoint())
    }

    /// Returns the client of all S3 stores.
    ///
    /// # Errors
    /// Returns an error if it cannot be configured.
    pub(crate) fn s3_client(&self) -> Result<Arc<S3Client>> {
        let mut shared_client = self
            .s3_client
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = shared_client.as_ref() {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(S3Client::new(&self.options)?);
        Ok(Arc::clone(shared_client.insert(client)))
    }
}
