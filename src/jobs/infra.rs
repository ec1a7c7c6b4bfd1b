//! Creates, shows, pauses and removes a warehouse on AWS.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::aws::AwsOptions;
use crate::cloud::clients::CloudClients;
use crate::cloud::infra::{
    self, Ask, DownReport, DownRequest, FinalSnapshot, InfraStatus, OnFailure, PauseReport,
    UpReport, UpRequest,
};
use crate::error::Result;
use crate::observer::Observer;

/// A creation of a warehouse, or a change of one.
#[derive(Debug, Clone)]
pub struct InfraUpJob {
    /// The connection to AWS.
    pub aws: AwsOptions,
    /// The name of the stack.
    pub stack: String,
    /// Values of the template's parameters. Others keep those of the stack, or have their defaults.
    pub parameters: BTreeMap<String, String>,
    /// The usage limit of a Serverless warehouse, in RPU-hours a month; 0 for none. `None` keeps the one that is set.
    pub usage_limit: Option<i64>,
    /// What happens to what was created if something fails.
    pub on_failure: OnFailure,
    /// The config file that is written.
    pub config: PathBuf,
    /// Whether a config file with other content is replaced without a question.
    pub replace_config: bool,
    /// Whether only the plan is wanted.
    pub dry_run: bool,
}

/// A look at a warehouse and its stack.
#[derive(Debug, Clone)]
pub struct InfraStatusJob {
    /// The connection to AWS.
    pub aws: AwsOptions,
    /// The name of the stack.
    pub stack: String,
}

/// A pause of a cluster, or its end.
#[derive(Debug, Clone)]
pub struct InfraPauseJob {
    /// The connection to AWS.
    pub aws: AwsOptions,
    /// The name of the stack.
    pub stack: String,
    /// Whether the cluster is resumed.
    pub resume: bool,
}

/// The removal of a warehouse and its stack.
#[derive(Debug, Clone)]
pub struct InfraDownJob {
    /// The connection to AWS.
    pub aws: AwsOptions,
    /// The name of the stack.
    pub stack: String,
    /// Whether a final snapshot is taken.
    pub final_snapshot: FinalSnapshot,
    /// Whether the final snapshots of earlier removals are deleted, too.
    pub delete_snapshots: bool,
    /// Names of resources in the template that stay, after a deletion has failed.
    pub retained: Vec<String>,
}

impl InfraUpJob {
    /// Creates the stack or changes it, and writes the config file. Can be interrupted and repeated.
    ///
    /// # Errors
    /// Returns an error if AWS refuses or fails, if the stack is not one of sparkify's, or if `ask` does not consent.
    pub fn execute(&self, ask: Ask<'_>, observer: &dyn Observer) -> Result<UpReport> {
        let _span = tracing::info_span!("infra_up").entered();
        let request = UpRequest {
            stack: self.stack.clone(),
            parameters: self.parameters.clone(),
            usage_limit: self.usage_limit,
            on_failure: self.on_failure,
            config: self.config.clone(),
            replace_config: self.replace_config,
            dry_run: self.dry_run,
        };
        infra::bring_up(&CloudClients::new(&self.aws)?, &request, ask, observer)
    }
}

impl InfraStatusJob {
    /// Reads the state. Changes nothing.
    ///
    /// # Errors
    /// Returns an error if AWS cannot be asked, or the stack is not one of sparkify's.
    pub fn execute(&self) -> Result<InfraStatus> {
        infra::read_status(&CloudClients::new(&self.aws)?, &self.stack)
    }
}

impl InfraPauseJob {
    /// Pauses or resumes the cluster, and waits until that is done. Can be interrupted and repeated.
    ///
    /// # Errors
    /// Returns an error if there is no warehouse, or Redshift refuses.
    pub fn execute(&self, observer: &dyn Observer) -> Result<PauseReport> {
        let clients = CloudClients::new(&self.aws)?;
        match self.resume {
            true => infra::resume(&clients, &self.stack, observer),
            false => infra::pause(&clients, &self.stack, observer),
        }
    }
}

impl InfraDownJob {
    /// Takes a final snapshot, removes the stack, and checks that nothing is left. Can be interrupted and repeated.
    ///
    /// # Errors
    /// Returns an error if AWS refuses or fails, if something is left that costs money, or if `ask` does not consent.
    pub fn execute(&self, ask: Ask<'_>, observer: &dyn Observer) -> Result<DownReport> {
        let _span = tracing::info_span!("infra_down").entered();
        let request = DownRequest {
            stack: self.stack.clone(),
            final_snapshot: self.final_snapshot.clone(),
            delete_snapshots: self.delete_snapshots,
            retained: self.retained.clone(),
        };
        infra::take_down(&CloudClients::new(&self.aws)?, &request, ask, observer)
    }
}
