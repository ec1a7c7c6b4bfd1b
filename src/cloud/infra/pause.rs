//! Pauses and resumes a cluster. A Serverless warehouse has nothing to pause.

use super::leftovers::Leftovers;
use super::poll::PollDelays;
use super::stack::StackReader;
use super::warehouse::{self, Warehouse, redshift_error};
use crate::cloud::clients::CloudClients;
use crate::error::{Error, Result};
use crate::observer::Observer;

/// What `pause` or `resume` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseOutcome {
    /// The cluster is paused or available now, and was not before.
    Changed,
    /// It was so already.
    Unchanged,
    /// The warehouse is serverless, and costs nothing while no query runs.
    NotNeeded,
}

/// The result of `pause` or `resume`.
#[derive(Debug, Clone)]
pub struct PauseReport {
    /// What was done.
    pub outcome: PauseOutcome,
    /// The name of the cluster or workgroup.
    pub warehouse: String,
    /// Its status.
    pub status: String,
}

/// The statuses of a cluster on its way to one of two ends.
struct Direction {
    verb: &'static str,
    wanted: &'static str,
    begins_from: &'static str,
    permission: &'static str,
}

const PAUSE: Direction = Direction {
    verb: "pause",
    wanted: "paused",
    begins_from: "available",
    permission: "redshift:PauseCluster",
};

const RESUME: Direction = Direction {
    verb: "resume",
    wanted: "available",
    begins_from: "paused",
    permission: "redshift:ResumeCluster",
};

/// Statuses that pass by themselves.
const PASSING: [&str; 9] = [
    "creating",
    "modifying",
    "pausing",
    "prep-for-resize",
    "rebooting",
    "renaming",
    "resizing",
    "resuming",
    "updating-hsm",
];

/// Pauses the cluster of a stack, and waits until it is paused.
///
/// # Errors
/// Returns an error if there is no warehouse, the stack is not ours, or Redshift refuses.
pub(crate) fn pause(
    clients: &CloudClients,
    stack: &str,
    observer: &dyn Observer,
) -> Result<PauseReport> {
    move_to(clients, stack, &PAUSE, observer)
}

/// Resumes the cluster of a stack, and waits until it is available.
///
/// # Errors
/// Returns an error if there is no warehouse, the stack is not ours, or Redshift refuses.
pub(crate) fn resume(
    clients: &CloudClients,
    stack: &str,
    observer: &dyn Observer,
) -> Result<PauseReport> {
    move_to(clients, stack, &RESUME, observer)
}

fn move_to(
    clients: &CloudClients,
    name: &str,
    direction: &Direction,
    observer: &dyn Observer,
) -> Result<PauseReport> {
    let leftovers = Leftovers::nothing();
    let stacks = StackReader { clients, name };
    let verb = direction.verb;
    leftovers.describe(stacks.find().and_then(|stack| {
        let missing = |reason: &str| {
            Error::failed(format!("cannot {verb} the warehouse of stack '{name}'"))
                .with_reason(format!("{reason} in {}", clients.region()))
                .with_hint("check --stack and --region, or create it with sparkify infra up")
        };
        let stack = stack.ok_or_else(|| missing("there is no such stack"))?;
        stack.ensure_ours(name)?;
        let found = warehouse::find(clients, &stack)?;
        let found = found.ok_or_else(|| missing("it has no warehouse"))?;
        if !found.is_cluster {
            return Ok(PauseReport {
                outcome: PauseOutcome::NotNeeded,
                warehouse: found.name,
                status: found.status,
            });
        }
        leftovers.set(format!(
            "cluster '{}' may go on to {verb}: run the same command again, or see sparkify infra status --stack {name}",
            found.name
        ));
        let outcome = move_cluster(clients, found.clone(), direction, observer)?;
        Ok(PauseReport {
            outcome,
            warehouse: found.name,
            status: direction.wanted.to_owned(),
        })
    }))
}

/// Resumes a cluster if it is paused, and waits until it is available.
///
/// # Errors
/// Returns an error if Redshift refuses.
pub(super) fn ensure_available(
    clients: &CloudClients,
    cluster: Warehouse,
    observer: &dyn Observer,
) -> Result<PauseOutcome> {
    move_cluster(clients, cluster, &RESUME, observer)
}

fn move_cluster(
    clients: &CloudClients,
    cluster: Warehouse,
    direction: &Direction,
    observer: &dyn Observer,
) -> Result<PauseOutcome> {
    let name = cluster.name.clone();
    let failed = || Error::failed(format!("cannot {} cluster '{name}'", direction.verb));
    let mut status = cluster.status;
    let mut delays = PollDelays::new();
    let mut outcome = PauseOutcome::Unchanged;
    observer.start_phase(&format!("{} cluster {name}", direction.verb), None);
    while status != direction.wanted {
        if status == direction.begins_from {
            outcome = PauseOutcome::Changed;
            send(clients, &name, direction)?;
        } else if PASSING.contains(&status.as_str()) {
            outcome = PauseOutcome::Changed;
        } else {
            return Err(failed()
                .with_reason(format!("its status is {status}"))
                .with_hint("look at the cluster in the console of Redshift"));
        }
        delays.wait()?;
        let found = warehouse::find_cluster(clients, &name)?;
        status = found
            .ok_or_else(|| failed().with_reason("it is gone"))?
            .status;
    }
    observer.finish_phase();
    Ok(outcome)
}

fn send(clients: &CloudClients, name: &str, direction: &Direction) -> Result<()> {
    let result = match direction.wanted {
        "paused" => {
            let request = clients.redshift.pause_cluster();
            let response = clients.send(request.cluster_identifier(name).send());
            response.map(drop)
        }
        _ => {
            let request = clients.redshift.resume_cluster();
            let response = clients.send(request.cluster_identifier(name).send());
            response.map(drop)
        }
    };
    match result {
        // The state has just changed, perhaps by the first attempt of this request: the next look tells.
        Err(error) if error.code().starts_with("InvalidClusterState") => Ok(()),
        result => result.map_err(|error| {
            let failure = format!("cannot {} cluster '{name}'", direction.verb);
            redshift_error(clients, failure, direction.permission, &error)
        }),
    }
}
