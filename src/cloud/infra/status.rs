//! Tells the state of a stack and its warehouse, and what they cost.

use super::failure::failures;
use super::prices::HourlyCost;
use super::snapshots::{Snapshot, Snapshots};
use super::stack::{Stack, StackReader};
use super::stack_status::StackPhase;
use super::{usage_limit, warehouse};
use crate::cloud::clients::CloudClients;
use crate::error::Result;

/// The state of a stack.
#[derive(Debug, Clone)]
pub struct InfraStatus {
    /// The name of the stack.
    pub stack: String,
    /// The region.
    pub region: String,
    /// The status of the stack, or `None` if there is none.
    pub stack_status: Option<String>,
    /// The first resource that failed, with its reason.
    pub failure: Option<String>,
    /// Whether a person must do something.
    pub is_failed: bool,
    /// The warehouse, if there is one.
    pub warehouse: Option<WarehouseStatus>,
    /// The final snapshots, the newest first. They cost money until they are deleted.
    pub snapshots: Vec<Snapshot>,
}

/// The state of a warehouse.
#[derive(Debug, Clone)]
pub struct WarehouseStatus {
    /// The name of the cluster or workgroup.
    pub name: String,
    /// Whether it is a cluster.
    pub is_cluster: bool,
    /// The status in lower case, such as `available` or `paused`.
    pub status: String,
    /// Host and port.
    pub endpoint: Option<String>,
    /// The capacity in words.
    pub capacity: String,
    /// The usage limit of a Serverless warehouse, in RPU-hours a month.
    pub usage_limit: Option<i64>,
    /// What it costs an hour as it is now.
    pub cost: HourlyCost,
}

/// Reads the state of a stack.
///
/// # Errors
/// Returns an error if AWS cannot be asked, or the stack is not ours.
pub(crate) fn read_status(clients: &CloudClients, name: &str) -> Result<InfraStatus> {
    let stacks = StackReader { clients, name };
    let Some(stack) = stacks.find()? else {
        // Which kind it was is not known any more.
        let mut snapshots = Vec::new();
        for is_cluster in [true, false] {
            let of_kind = Snapshots {
                clients,
                is_cluster,
                warehouse: name,
            };
            snapshots.extend(of_kind.finals()?);
        }
        return Ok(InfraStatus {
            stack: name.to_owned(),
            region: clients.region().to_owned(),
            stack_status: None,
            failure: None,
            is_failed: false,
            warehouse: None,
            snapshots,
        });
    };
    stack.ensure_ours(name)?;
    let failure = match stack.phase() {
        StackPhase::Complete | StackPhase::Busy | StackPhase::Deleted => None,
        _ => {
            let failures = failures(&stacks.last_operation(&stack)?);
            let first = failures.first().map(ToString::to_string);
            first.or_else(|| stack.reason.clone())
        }
    };
    let snapshots = Snapshots {
        clients,
        is_cluster: stack.is_cluster(),
        warehouse: stack.warehouse_name(),
    };
    Ok(InfraStatus {
        stack: name.to_owned(),
        region: clients.region().to_owned(),
        failure,
        is_failed: matches!(
            stack.phase(),
            StackPhase::UpdateStuck | StackPhase::NeverCreated | StackPhase::DeleteFailed
        ),
        warehouse: warehouse_status(clients, &stack)?,
        snapshots: snapshots.finals()?,
        stack_status: Some(stack.status),
    })
}

fn warehouse_status(clients: &CloudClients, stack: &Stack) -> Result<Option<WarehouseStatus>> {
    let Some(found) = warehouse::find(clients, stack)? else {
        return Ok(None);
    };
    let usage_limit = match &found.workgroup_arn {
        Some(arn) => usage_limit::read(clients, arn)?,
        None => None,
    };
    Ok(Some(WarehouseStatus {
        usage_limit,
        name: found.name,
        is_cluster: found.is_cluster,
        status: found.status,
        endpoint: found.endpoint,
        capacity: found.capacity,
        cost: found.cost,
    }))
}
