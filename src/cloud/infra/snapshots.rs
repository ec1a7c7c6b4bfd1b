//! The snapshots of a warehouse that a person or `down` took. They outlive the warehouse, and cost money.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::poll::PollDelays;
use super::warehouse::redshift_error;
use crate::cloud::clients::CloudClients;
use crate::cloud::error::CloudError;
use crate::error::{Error, Result};
use crate::observer::Observer;

/// How long a final snapshot counts as that of the same `down`, which was interrupted and is repeated. A later one takes
/// another snapshot, because the data may have changed.
const SAME_DOWN: TimeDelta = TimeDelta::hours(1);

/// A snapshot.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// The name.
    pub name: String,
    /// The status in lower case, such as `available`.
    pub status: String,
    /// When it was taken, in UTC as in ISO 8601.
    pub created_at: Option<String>,
    /// Its size in megabytes.
    pub megabytes: Option<f64>,
    #[serde(skip)]
    created: Option<DateTime<Utc>>,
}

/// The snapshots of one warehouse.
#[derive(Debug, Clone, Copy)]
pub(super) struct Snapshots<'a> {
    pub(super) clients: &'a CloudClients,
    pub(super) is_cluster: bool,
    /// The name of the cluster or namespace.
    pub(super) warehouse: &'a str,
}

impl Snapshots<'_> {
    /// Returns the first part of the names of final snapshots.
    fn prefix(&self) -> String {
        format!("{}-final-", self.warehouse)
    }

    /// Returns the name of a new final snapshot.
    pub(super) fn new_name(&self) -> String {
        format!("{}{}", self.prefix(), Utc::now().format("%Y%m%d-%H%M%S"))
    }

    /// Returns the final snapshots, the newest first.
    ///
    /// # Errors
    /// Returns an error if Redshift cannot be asked.
    pub(super) fn finals(&self) -> Result<Vec<Snapshot>> {
        let mut snapshots = match self.is_cluster {
            true => self.of_cluster()?,
            false => self.of_namespace()?,
        };
        snapshots.retain(|snapshot| snapshot.name.starts_with(&self.prefix()));
        // The name has the time, too. A snapshot that is being taken may have no other.
        snapshots.sort_by(|a, b| b.name.cmp(&a.name));
        Ok(snapshots)
    }

    /// Returns the snapshot of this name.
    ///
    /// # Errors
    /// Returns an error if Redshift cannot be asked.
    pub(super) fn find(&self, name: &str) -> Result<Option<Snapshot>> {
        let snapshots = match self.is_cluster {
            true => self.of_cluster()?,
            false => self.of_namespace()?,
        };
        Ok(snapshots.into_iter().find(|snapshot| snapshot.name == name))
    }

    fn of_cluster(&self) -> Result<Vec<Snapshot>> {
        let mut snapshots = Vec::new();
        let mut marker = None;
        loop {
            let request = self.clients.redshift.describe_cluster_snapshots();
            let request = request
                .cluster_identifier(self.warehouse)
                .snapshot_type("manual")
                .set_marker(marker);
            let page = match self.clients.send(request.send()) {
                Ok(page) => page,
                // The cluster is gone, and has left none.
                Err(error) if error.code().starts_with("ClusterNotFound") => return Ok(snapshots),
                Err(error) => {
                    let permission = "redshift:DescribeClusterSnapshots";
                    return Err(self.error("list the snapshots", permission, &error));
                }
            };
            let found = page.snapshots.unwrap_or_default().into_iter();
            snapshots.extend(found.map(|snapshot| {
                Snapshot::new(
                    snapshot.snapshot_identifier,
                    snapshot.status.unwrap_or_default(),
                    snapshot.snapshot_create_time.map(|time| time.secs()),
                    snapshot.total_backup_size_in_mega_bytes,
                )
            }));
            marker = page.marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                return Ok(snapshots);
            }
        }
    }

    fn of_namespace(&self) -> Result<Vec<Snapshot>> {
        let mut snapshots = Vec::new();
        let mut token = None;
        loop {
            // Without the namespace, so that a namespace that is gone is no error.
            let request = self
                .clients
                .serverless
                .list_snapshots()
                .set_next_token(token);
            let page = self.clients.send(request.send()).map_err(|error| {
                let permission = "redshift-serverless:ListSnapshots";
                self.error("list the snapshots", permission, &error)
            })?;
            let found = page.snapshots.unwrap_or_default().into_iter();
            let found = found.filter(|s| s.namespace_name.as_deref() == Some(self.warehouse));
            snapshots.extend(found.map(|snapshot| {
                let status = snapshot.status.map(|status| status.as_str().to_lowercase());
                Snapshot::new(
                    snapshot.snapshot_name,
                    status.unwrap_or_default(),
                    snapshot.snapshot_create_time.map(|time| time.secs()),
                    snapshot.total_backup_size_in_mega_bytes,
                )
            }));
            token = page.next_token;
            if token.is_none() {
                return Ok(snapshots);
            }
        }
    }

    /// Begins to take a snapshot, unless one of this name is there.
    ///
    /// # Errors
    /// Returns an error if Redshift refuses.
    fn begin(&self, name: &str) -> Result<()> {
        let (result, permission) = match self.is_cluster {
            true => {
                let request = self.clients.redshift.create_cluster_snapshot();
                let request = request
                    .cluster_identifier(self.warehouse)
                    .snapshot_identifier(name);
                let response = self.clients.send(request.send());
                (response.map(drop), "redshift:CreateClusterSnapshot")
            }
            false => {
                let request = self.clients.serverless.create_snapshot();
                let request = request.namespace_name(self.warehouse).snapshot_name(name);
                let response = self.clients.send(request.send());
                (response.map(drop), "redshift-serverless:CreateSnapshot")
            }
        };
        match result {
            Err(error)
                if error.code().starts_with("ClusterSnapshotAlreadyExists")
                    || error.message().contains("already exists") =>
            {
                Ok(())
            }
            Err(error) => Err(self.error(&format!("take snapshot '{name}'"), permission, &error)),
            Ok(()) => Ok(()),
        }
    }

    /// Takes a snapshot, or waits for one of this name that is being taken, until it is available.
    ///
    /// # Errors
    /// Returns an error if Redshift refuses or fails, or as soon as the work is to stop.
    pub(super) fn take(&self, name: &str, observer: &dyn Observer) -> Result<()> {
        observer.start_phase(&format!("snapshot {name}"), None);
        let mut delays = PollDelays::new();
        let mut has_begun = false;
        loop {
            match self.find(name)? {
                None if has_begun => {}
                None => {
                    self.begin(name)?;
                    has_begun = true;
                }
                Some(snapshot) => match snapshot.status.as_str() {
                    "available" => break,
                    "creating" | "copying" => {}
                    status => {
                        return Err(Error::failed(format!("cannot take snapshot '{name}'"))
                            .with_reason(format!("its status is {status}"))
                            .with_hint("nothing was removed; run the same command again, or use --no-final-snapshot"));
                    }
                },
            }
            delays.wait()?;
        }
        observer.finish_phase();
        Ok(())
    }

    /// Deletes a snapshot.
    ///
    /// # Errors
    /// Returns an error if Redshift refuses.
    pub(super) fn delete(&self, name: &str) -> Result<()> {
        let (result, permission) = match self.is_cluster {
            true => {
                let request = self.clients.redshift.delete_cluster_snapshot();
                let response = self.clients.send(request.snapshot_identifier(name).send());
                (response.map(drop), "redshift:DeleteClusterSnapshot")
            }
            false => {
                let request = self.clients.serverless.delete_snapshot();
                let response = self.clients.send(request.snapshot_name(name).send());
                (response.map(drop), "redshift-serverless:DeleteSnapshot")
            }
        };
        match result {
            Err(error) if error.code().contains("NotFound") => Ok(()),
            result => result.map_err(|error| {
                self.error(&format!("delete snapshot '{name}'"), permission, &error)
            }),
        }
    }

    fn error(&self, action: &str, permission: &'static str, error: &CloudError) -> Error {
        let failure = format!("cannot {action} of warehouse '{}'", self.warehouse);
        redshift_error(self.clients, failure, permission, error)
    }
}

impl Snapshot {
    fn new(name: Option<String>, status: String, created: Option<i64>, size: Option<f64>) -> Self {
        let created = created.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        Self {
            name: name.unwrap_or_default(),
            status,
            created_at: created.map(|time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string()),
            megabytes: size,
            created,
        }
    }

    /// Returns true if an interrupted `down` took it, which is repeated now.
    pub(super) fn is_of_same_down(&self) -> bool {
        match (self.status.as_str(), self.created) {
            ("creating", _) => true,
            ("available", Some(created)) => Utc::now() - created < SAME_DOWN,
            _ => false,
        }
    }
}
