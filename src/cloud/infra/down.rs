//! Removes a stack, after a final snapshot, and makes sure that nothing is left that costs money.

use super::failure::failures;
use super::leftovers::Leftovers;
use super::pause::ensure_available;
use super::question::{Ask, DownPlan, InfraQuestion, require};
use super::snapshots::{Snapshot, Snapshots};
use super::stack::{Stack, StackReader};
use super::stack_requests::delete;
use super::stack_status::StackPhase;
use super::usage_limit;
use super::warehouse::{self, Warehouse, redshift_error};
use crate::cloud::clients::CloudClients;
use crate::error::{Error, Result};
use crate::observer::Observer;

/// Whether a final snapshot is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinalSnapshot {
    /// With a name of the warehouse and the time.
    Default,
    /// With this name.
    Named(String),
    /// The data are lost.
    None,
}

/// What is to be removed.
#[derive(Debug, Clone)]
pub(crate) struct DownRequest {
    pub(crate) stack: String,
    pub(crate) final_snapshot: FinalSnapshot,
    pub(crate) delete_snapshots: bool,
    pub(crate) retained: Vec<String>,
}

/// The result of `down`.
#[derive(Debug, Clone)]
pub struct DownReport {
    /// The name of the stack.
    pub stack: String,
    /// The region.
    pub region: String,
    /// Whether there was a stack.
    pub had_stack: bool,
    /// The final snapshot of this `down`.
    pub final_snapshot: Option<String>,
    /// The snapshots that were deleted.
    pub deleted_snapshots: Vec<String>,
    /// The final snapshots that are left, and cost money.
    pub snapshots: Vec<Snapshot>,
    /// The resources that stay, because the user said so.
    pub retained: Vec<String>,
}

/// Removes a stack and what belongs to it.
///
/// # Errors
/// Returns an error if AWS refuses or fails, if something is left that costs money, if the stack is not ours, or if `ask` does
/// not consent.
pub(crate) fn take_down(
    clients: &CloudClients,
    request: &DownRequest,
    ask: Ask<'_>,
    observer: &dyn Observer,
) -> Result<DownReport> {
    let leftovers = Leftovers::nothing();
    let down = Down {
        stacks: StackReader {
            clients,
            name: &request.stack,
        },
        request,
        ask,
        observer,
        leftovers: &leftovers,
    };
    leftovers.describe(down.run())
}

struct Down<'a> {
    stacks: StackReader<'a>,
    request: &'a DownRequest,
    ask: Ask<'a>,
    observer: &'a dyn Observer,
    leftovers: &'a Leftovers,
}

impl Down<'_> {
    fn run(&self) -> Result<DownReport> {
        let Some(stack) = self.stacks.find()? else {
            return self.without_stack();
        };
        stack.ensure_ours(&self.request.stack)?;
        let stack = match stack.phase() {
            // The deletion, or a roll-back of a creation. Either needs no consent, because it is under way.
            StackPhase::Busy => {
                self.leave("an earlier command goes on with the stack on AWS");
                match self.stacks.wait(stack.clone(), self.observer)? {
                    Some(settled) => settled,
                    None => return self.finish(&stack, None, Vec::new()),
                }
            }
            _ => stack,
        };
        self.remove(&stack)
    }

    fn remove(&self, stack: &Stack) -> Result<DownReport> {
        let clients = self.stacks.clients;
        self.check_retained(stack)?;
        let found = warehouse::find(clients, stack)?;
        let snapshots = self.snapshots_of(stack);
        let finals = snapshots.finals()?;
        let (new_snapshot, kept_snapshot) = self.final_snapshot(&snapshots, &finals, &found)?;
        let deleted_snapshots = self.deleted_snapshots(&finals);
        let plan = DownPlan {
            stack: self.request.stack.clone(),
            region: clients.region().to_owned(),
            status: stack.status.clone(),
            warehouse: found.as_ref().map(describe),
            new_snapshot,
            kept_snapshot,
            deleted_snapshots,
            retained: self.request.retained.clone(),
        };
        require(self.ask, &InfraQuestion::Down(&plan))?;
        let snapshot = plan.new_snapshot.or(plan.kept_snapshot);
        if let (Some(name), Some(found)) = (&snapshot, &found) {
            self.leave("a final snapshot may be taken");
            if found.is_cluster {
                // A cluster that is paused takes no snapshot.
                ensure_available(clients, found.clone(), self.observer)?;
            }
            snapshots.take(name, self.observer)?;
        }
        self.leave("the stack may go on being removed by AWS");
        if let Some(arn) = found
            .as_ref()
            .and_then(|found| found.workgroup_arn.as_deref())
        {
            usage_limit::remove(clients, arn)?;
        }
        // Its id, and not its name: nobody else's stack of the same name is deleted, should this one be gone.
        delete(&self.stacks, stack, &self.request.retained)?;
        let current = self.stacks.find()?.filter(|current| current.id == stack.id);
        let settled = current.map(|current| self.stacks.wait(current, self.observer));
        if let Some(stack) = settled.transpose()?.flatten() {
            return Err(self.delete_failure(&stack)?);
        }
        self.finish(stack, snapshot, plan.deleted_snapshots)
    }

    /// Checks that nothing is left, deletes the snapshots that are not wanted, and lists the others.
    fn finish(
        &self,
        stack: &Stack,
        final_snapshot: Option<String>,
        deleted_snapshots: Vec<String>,
    ) -> Result<DownReport> {
        self.leave("the stack is removed, but it was not checked what else is left");
        if self.request.retained.is_empty() {
            self.ensure_nothing_left(stack)?;
        }
        let snapshots = self.snapshots_of(stack);
        for name in &deleted_snapshots {
            snapshots.delete(name)?;
        }
        let mut left = snapshots.finals()?;
        left.retain(|snapshot| {
            snapshot.status != "deleting" && !deleted_snapshots.contains(&snapshot.name)
        });
        Ok(DownReport {
            stack: self.request.stack.clone(),
            region: self.stacks.clients.region().to_owned(),
            had_stack: true,
            final_snapshot,
            deleted_snapshots,
            snapshots: left,
            retained: self.request.retained.clone(),
        })
    }

    /// There is no stack, perhaps because an earlier `down` has removed it. Its snapshots may be there.
    fn without_stack(&self) -> Result<DownReport> {
        let clients = self.stacks.clients;
        let mut left = Vec::new();
        for is_cluster in [true, false] {
            let snapshots = Snapshots {
                clients,
                is_cluster,
                warehouse: &self.request.stack,
            };
            left.push((snapshots, snapshots.finals()?));
        }
        let all = left
            .iter()
            .flat_map(|(_, finals)| self.deleted_snapshots(finals));
        let deleted_snapshots: Vec<String> = all.collect();
        if !deleted_snapshots.is_empty() {
            let plan = DownPlan {
                stack: self.request.stack.clone(),
                region: clients.region().to_owned(),
                status: "DELETE_COMPLETE".to_owned(),
                warehouse: None,
                new_snapshot: None,
                kept_snapshot: None,
                deleted_snapshots: deleted_snapshots.clone(),
                retained: Vec::new(),
            };
            require(self.ask, &InfraQuestion::Down(&plan))?;
            self.leave("snapshots may be left");
            for (snapshots, finals) in &left {
                for snapshot in finals {
                    snapshots.delete(&snapshot.name)?;
                }
            }
        }
        let snapshots = left.into_iter().flat_map(|(_, finals)| finals);
        let snapshots = snapshots.filter(|snapshot| !deleted_snapshots.contains(&snapshot.name));
        Ok(DownReport {
            stack: self.request.stack.clone(),
            region: clients.region().to_owned(),
            had_stack: false,
            final_snapshot: None,
            snapshots: snapshots.collect(),
            deleted_snapshots,
            retained: Vec::new(),
        })
    }

    /// Returns the names of the final snapshot that is to be taken, and of the one that is there already.
    fn final_snapshot(
        &self,
        snapshots: &Snapshots<'_>,
        finals: &[Snapshot],
        found: &Option<Warehouse>,
    ) -> Result<(Option<String>, Option<String>)> {
        match &self.request.final_snapshot {
            FinalSnapshot::None => Ok((None, None)),
            _ if found.is_none() => Ok((None, finals.first().map(|newest| newest.name.clone()))),
            FinalSnapshot::Default => {
                let newest = finals.first().filter(|newest| newest.is_of_same_down());
                Ok(match newest {
                    Some(newest) => (None, Some(newest.name.clone())),
                    None => (Some(snapshots.new_name()), None),
                })
            }
            FinalSnapshot::Named(name) => match snapshots.find(name)? {
                None => Ok((Some(name.clone()), None)),
                Some(known) if known.is_of_same_down() => Ok((None, Some(name.clone()))),
                Some(_) => Err(Error::failed(format!("cannot take snapshot '{name}'"))
                    .with_reason("an older one of this name exists")
                    .with_hint("choose another --final-snapshot")),
            },
        }
    }

    fn deleted_snapshots(&self, finals: &[Snapshot]) -> Vec<String> {
        let finals = finals.iter().filter(|_| self.request.delete_snapshots);
        finals.map(|snapshot| snapshot.name.clone()).collect()
    }

    /// CloudFormation retains resources only of a stack whose deletion has failed.
    fn check_retained(&self, stack: &Stack) -> Result<()> {
        if self.request.retained.is_empty() || stack.phase() == StackPhase::DeleteFailed {
            return Ok(());
        }
        Err(Error::usage("--retain has no effect").with_reason(format!(
            "the deletion of stack '{}' has not failed: its status is {}",
            self.request.stack, stack.status
        )))
    }

    fn delete_failure(&self, stack: &Stack) -> Result<Error> {
        let failures = failures(&self.stacks.last_operation(stack)?);
        let name = &self.request.stack;
        let error = Error::failed(format!("cannot delete stack '{name}'"));
        if failures.is_empty() {
            let reason = stack.reason.clone().unwrap_or_else(|| stack.status.clone());
            return Ok(error.with_reason(reason));
        }
        let texts: Vec<String> = failures.iter().map(ToString::to_string).collect();
        let flags: Vec<String> = failures
            .iter()
            .map(|failure| format!("--retain {}", failure.resource))
            .collect();
        Ok(error.with_reason(texts.join("; ")).with_hint(format!(
            "correct the cause and run the same command again, or leave the resource with sparkify infra down --stack {name} {}",
            flags.join(" ")
        )))
    }

    /// Asks Redshift and Secrets Manager whether something is left that costs money.
    fn ensure_nothing_left(&self, stack: &Stack) -> Result<()> {
        let clients = self.stacks.clients;
        let name = stack.warehouse_name();
        let mut left = Vec::new();
        if stack.is_cluster() {
            left.extend(
                warehouse::find_cluster(clients, name)?.map(|_| format!("cluster '{name}'")),
            );
        } else {
            let workgroup = warehouse::find_workgroup(clients, name)?;
            left.extend(workgroup.map(|_| format!("workgroup '{name}'")));
            let namespace = warehouse::find_namespace(clients, name)?;
            left.extend(namespace.map(|_| format!("namespace '{name}'")));
        }
        if let Some(arn) = stack.outputs.get("PasswordSecretArn") {
            left.extend(self.has_secret(arn)?.then(|| format!("secret {arn}")));
        }
        match left.is_empty() {
            true => Ok(()),
            false => Err(Error::failed(format!(
                "the stack '{}' is removed, but something is left that costs money",
                self.request.stack
            ))
            .with_reason(left.join(", "))
            .with_hint("remove it in the console of AWS")),
        }
    }

    fn has_secret(&self, arn: &str) -> Result<bool> {
        let clients = self.stacks.clients;
        let request = clients.secrets.describe_secret().secret_id(arn);
        match clients.send(request.send()) {
            Ok(secret) => Ok(secret.deleted_date.is_none()),
            Err(error) if error.code() == "ResourceNotFoundException" => Ok(false),
            Err(error) => {
                let failure = "cannot tell whether the secret of the warehouse is left".to_owned();
                let permission = "secretsmanager:DescribeSecret";
                Err(redshift_error(clients, failure, permission, &error))
            }
        }
    }

    fn snapshots_of<'s>(&'s self, stack: &'s Stack) -> Snapshots<'s> {
        Snapshots {
            clients: self.stacks.clients,
            is_cluster: stack.is_cluster(),
            warehouse: stack.warehouse_name(),
        }
    }

    fn leave(&self, what: &str) {
        self.leftovers.set(format!(
            "{what}: run the same command again to finish, or see what is left with sparkify infra status --stack {}",
            self.request.stack
        ));
    }
}

fn describe(warehouse: &Warehouse) -> String {
    let kind = match warehouse.is_cluster {
        true => "cluster",
        false => "workgroup",
    };
    format!(
        "{kind} '{}' ({}, {})",
        warehouse.name, warehouse.capacity, warehouse.status
    )
}
