//! The objects in S3 that COPY reads: files in the directories of the buckets.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use bytes::Bytes;

use crate::redshift_simulator::protocol::SqlError;
use crate::redshift_simulator::settings::{CLUSTER_REGION, SimulatorSettings};

/// The error of an object that does not exist.
pub const NO_SUCH_KEY: &str =
    "S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey";
const NO_SUCH_BUCKET: &str =
    "S3ServiceException:The specified bucket does not exist,Status 404,Error NoSuchBucket";
const OTHER_REGION: &str = "S3ServiceException:The bucket you are attempting to access must be addressed using the \
     specified endpoint. Please send all future requests to this endpoint.,Status 301,Error PermanentRedirect";

/// The buckets of one region, as a COPY accesses them.
#[derive(Clone, Copy)]
pub struct RegionBuckets<'a> {
    settings: &'a SimulatorSettings,
    region: &'a str,
}

impl<'a> RegionBuckets<'a> {
    /// Returns the buckets of a region, or of the region of the cluster.
    pub fn new(settings: &'a SimulatorSettings, region: Option<&'a str>) -> Self {
        Self {
            settings,
            region: region.unwrap_or(CLUSTER_REGION),
        }
    }

    /// Returns the bucket and the key of a URL, or an error if the bucket is not accessible.
    fn parse_url(self, url: &str) -> Result<(&str, &str), String> {
        let path = url.strip_prefix("s3://");
        let parts = path.and_then(|path| path.split_once('/'));
        let (bucket, key) = parts.ok_or_else(|| format!("Invalid S3 URL: {url}"))?;
        if !self.settings.buckets.join(bucket).is_dir() {
            return Err(NO_SUCH_BUCKET.to_owned());
        }
        let elsewhere = &self.settings.other_region_buckets;
        let other = elsewhere.iter().find(|(name, _)| name == bucket);
        let region = other.map_or(CLUSTER_REGION, |(_, region)| region);
        match region == self.region {
            true => Ok((bucket, key)),
            false => Err(OTHER_REGION.to_owned()),
        }
    }

    fn path(self, url: &str) -> Result<PathBuf, String> {
        let (bucket, key) = self.parse_url(url)?;
        Ok(self.settings.buckets.join(bucket).join(key))
    }

    /// Returns whether an object exists, or an error if its bucket is not accessible.
    pub fn contains(self, url: &str) -> Result<bool, String> {
        self.path(url).map(|path| path.is_file())
    }

    /// Reads an object: the outer error means that the bucket is not accessible, the inner one that the object
    /// does not exist.
    pub fn try_read(self, url: &str) -> Result<Result<Bytes, String>, String> {
        match fs::read(self.path(url)?) {
            Ok(bytes) => Ok(Ok(bytes.into())),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Err(NO_SUCH_KEY.to_owned())),
            Err(e) => Err(e.to_string()),
        }
    }

    /// Reads an object that must exist.
    pub fn read(self, url: &str) -> Result<Bytes, String> {
        self.try_read(url)?
    }

    /// Returns the URLs of all objects with this prefix, which need not end at a slash.
    pub fn list(self, url: &str) -> Result<Vec<String>, String> {
        let (bucket, prefix) = self.parse_url(url)?;
        let root = self.settings.buckets.join(bucket);
        let (mut folders, mut found) = (vec![root.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let key = path.strip_prefix(&root).unwrap().to_str().unwrap();
                if path.is_dir() {
                    folders.push(path);
                } else if key.starts_with(prefix) {
                    found.push(format!("s3://{bucket}/{key}"));
                }
            }
        }
        found.sort();
        match found.is_empty() {
            true => Err(format!("The specified S3 prefix '{prefix}' does not exist")),
            false => Ok(found),
        }
    }
}

/// Returns the error of a request to S3, which fails the load whatever MAXERROR.
pub fn s3_error(url: &str, message: &str) -> SqlError {
    SqlError::new("XX000", message).with_detail(format!(
        "\n  -----------------------------------------------\n  error:  {message}\n  \
         code:      8001\n  context:   S3 key being read : {url}\n  \
         -----------------------------------------------\n"
    ))
}
