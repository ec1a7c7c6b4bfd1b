//! Creates a stack, or changes it to what is wanted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::config_file::{self, ExistingConfig};
use super::failure::failures;
use super::leftovers::Leftovers;
use super::plan::{UpPlan, changes, planned_resources, resolve_parameters};
use super::prices::HourlyCost;
use super::question::{Answer, Ask, InfraQuestion, require};
use super::stack::{Stack, StackReader};
use super::stack_requests::{Begun, continue_rollback, create, delete, update};
use super::stack_status::StackPhase;
use super::template::{has_budgets, template_for};
use super::usage_limit;
use super::warehouse;
use crate::cloud::clients::CloudClients;
use crate::error::{Error, Result};
use crate::observer::Observer;

/// What happens to what was created if something fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// CloudFormation removes it, even if this process has ended by then.
    RollBack,
    /// It stays for a look at it, and costs money.
    Keep,
    /// It stays until the user has answered.
    Ask,
}

/// What is wanted.
#[derive(Debug, Clone)]
pub(crate) struct UpRequest {
    pub(crate) stack: String,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) usage_limit: Option<i64>,
    pub(crate) on_failure: OnFailure,
    pub(crate) config: PathBuf,
    pub(crate) replace_config: bool,
    pub(crate) dry_run: bool,
}

/// What was done with the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpResult {
    /// It was created, by this command or by an earlier one that it waited for.
    Created,
    /// It was changed.
    Updated,
    /// It was as it was wanted.
    Unchanged,
    /// Nothing, because the command was a dry run.
    Planned,
}

/// The result of `up`.
#[derive(Debug, Clone)]
pub struct UpReport {
    /// What was done.
    pub result: UpResult,
    /// What was planned.
    pub plan: UpPlan,
    /// The outputs of the stack. Empty for a dry run.
    pub outputs: BTreeMap<String, String>,
    /// The usage limit of a Serverless warehouse, in RPU-hours a month.
    pub usage_limit: Option<i64>,
    /// The config file.
    pub config: PathBuf,
    /// Whether the config file has what the stack says.
    pub is_config_current: bool,
}

/// Creates the stack or changes it, waits until that is done, sets the usage limit and writes the config file.
///
/// # Errors
/// Returns an error if AWS refuses or fails, if the stack is not ours or in a state that a person must look at, or if `ask`
/// does not consent.
pub(crate) fn bring_up(
    clients: &CloudClients,
    request: &UpRequest,
    ask: Ask<'_>,
    observer: &dyn Observer,
) -> Result<UpReport> {
    let leftovers = Leftovers::nothing();
    let up = Up {
        stacks: StackReader {
            clients,
            name: &request.stack,
        },
        request,
        ask,
        observer,
        leftovers: &leftovers,
    };
    leftovers.describe(up.run())
}

struct Up<'a> {
    stacks: StackReader<'a>,
    request: &'a UpRequest,
    ask: Ask<'a>,
    observer: &'a dyn Observer,
    leftovers: &'a Leftovers,
}

impl Up<'_> {
    fn run(&self) -> Result<UpReport> {
        let found = self.stacks.find()?;
        if let Some(stack) = &found {
            stack.ensure_ours(&self.request.stack)?;
        }
        if self.request.dry_run {
            return Ok(self.report(UpResult::Planned, self.plan(found.as_ref())?, None, false));
        }
        let replaces_config = self.check_config()?;
        let (found, was_busy) = match found {
            Some(stack) if stack.phase() == StackPhase::Busy => (self.finish_earlier(stack)?, true),
            found => (found, false),
        };
        let (stack, plan, result) = match found {
            None => self.create(None)?,
            Some(stack) => match stack.phase() {
                StackPhase::Complete => self.update(stack, was_busy)?,
                StackPhase::UpdateRolledBack if was_busy => return Err(self.failure(&stack)?),
                StackPhase::UpdateRolledBack => self.update(stack, false)?,
                StackPhase::UpdateStuck => self.update_stuck(stack)?,
                StackPhase::NeverCreated if was_busy => return Err(self.failure(&stack)?),
                StackPhase::NeverCreated => self.create(Some(stack))?,
                StackPhase::DeleteFailed | StackPhase::Busy | StackPhase::Deleted => {
                    return Err(self.failure(&stack)?);
                }
            },
        };
        self.finish(&stack, plan, result, replaces_config)
    }

    /// Waits for what an earlier command began.
    fn finish_earlier(&self, stack: Stack) -> Result<Option<Stack>> {
        self.leave_running("goes on being changed by an earlier command");
        self.stacks.wait(stack, self.observer)
    }

    fn plan(&self, stack: Option<&Stack>) -> Result<UpPlan> {
        let region = self.stacks.clients.region();
        let is_new = stack.is_none_or(|stack| stack.phase() == StackPhase::NeverCreated);
        let kept = stack.filter(|_| !is_new);
        let parameters = resolve_parameters(&self.request.stack, &self.request.parameters, kept)?;
        let is_serverless = parameters
            .get("WarehouseKind")
            .is_some_and(|k| k == "serverless");
        if let (Some(_), false) = (self.request.usage_limit, is_serverless) {
            return Err(Error::usage("--usage-limit has no effect")
                .with_reason("the warehouse is a cluster"));
        }
        if parameters
            .get("AlarmEmail")
            .is_some_and(|text| !text.is_empty())
            && !has_budgets(region)
        {
            self.observer.warn(&format!(
                "{region} has no budgets in CloudFormation, so that there is no alarm by e-mail"
            ));
        }
        let default_limit = (is_new && is_serverless).then_some(usage_limit::DEFAULT_RPU_HOURS);
        let usage_limit = self.request.usage_limit.or(default_limit);
        Ok(UpPlan {
            stack: self.request.stack.clone(),
            region: region.to_owned(),
            existing: stack.map(|stack| stack.status.clone()),
            creates: is_new,
            resources: planned_resources(&parameters, region),
            changes: kept.map_or_else(Vec::new, |stack| changes(stack, &parameters)),
            changes_template: match kept {
                Some(stack) => self.stacks.template(stack)?.trim() != template_for(region).trim(),
                None => false,
            },
            cost: HourlyCost::from_parameters(&parameters),
            usage_limit: usage_limit.filter(|limit| *limit > 0),
            parameters,
        })
    }

    fn create(&self, remains: Option<Stack>) -> Result<(Stack, UpPlan, UpResult)> {
        let plan = self.plan(remains.as_ref())?;
        require(self.ask, &InfraQuestion::Up(&plan))?;
        if let Some(remains) = remains {
            self.delete(remains)?;
        }
        self.leave_running("may go on being created");
        let keeps_failed = self.request.on_failure != OnFailure::RollBack;
        create(&self.stacks, &plan.parameters, keeps_failed)?;
        let missing = || {
            Error::failed(format!("cannot create stack '{}'", self.request.stack))
                .with_reason("another command has removed it")
        };
        let stack = self.stacks.find()?.ok_or_else(missing)?;
        stack.ensure_ours(&self.request.stack)?;
        self.leave_running("goes on being created");
        let stack = self
            .stacks
            .wait(stack, self.observer)?
            .ok_or_else(missing)?;
        match stack.phase() {
            StackPhase::Complete => Ok((stack, plan, UpResult::Created)),
            _ => Err(self.failure(&stack)?),
        }
    }

    fn update(&self, stack: Stack, was_busy: bool) -> Result<(Stack, UpPlan, UpResult)> {
        let plan = self.plan(Some(&stack))?;
        let unchanged = match was_busy {
            true if stack.status == "CREATE_COMPLETE" => UpResult::Created,
            true => UpResult::Updated,
            false => UpResult::Unchanged,
        };
        if plan.is_empty() {
            return Ok((stack, plan, unchanged));
        }
        require(self.ask, &InfraQuestion::Up(&plan))?;
        self.leave_running("may go on being updated");
        if update(&self.stacks, &stack, &plan.parameters)? == Begun::NotNeeded {
            return Ok((stack, plan, unchanged));
        }
        self.leave_running("goes on being updated");
        let missing = || {
            Error::failed(format!("cannot update stack '{}'", self.request.stack))
                .with_reason("another command has removed it")
        };
        let stack = self.stacks.find()?.ok_or_else(missing)?;
        let stack = self
            .stacks
            .wait(stack, self.observer)?
            .ok_or_else(missing)?;
        match stack.phase() {
            StackPhase::Complete => Ok((stack, plan, UpResult::Updated)),
            _ => Err(self.failure(&stack)?),
        }
    }

    /// Continues a roll-back that failed, and then updates the stack.
    fn update_stuck(&self, stack: Stack) -> Result<(Stack, UpPlan, UpResult)> {
        let plan = self.plan(Some(&stack))?;
        require(self.ask, &InfraQuestion::Up(&plan))?;
        self.leave_running("goes on being rolled back");
        continue_rollback(&self.stacks, &stack)?;
        let found = self.stacks.find()?;
        let settled = found.map(|stack| self.stacks.wait(stack, self.observer));
        match settled.transpose()?.flatten() {
            Some(stack) if stack.phase() == StackPhase::UpdateRolledBack => {
                self.update(stack, false)
            }
            Some(stack) => Err(self.failure(&stack)?),
            None => Err(Error::failed("the stack was removed by another command")),
        }
    }

    /// Deletes a stack that was never complete.
    fn delete(&self, stack: Stack) -> Result<()> {
        self.leave_running("goes on being removed");
        delete(&self.stacks, &stack, &[])?;
        let found = self.stacks.find()?.filter(|found| found.id == stack.id);
        let settled = found.map(|stack| self.stacks.wait(stack, self.observer));
        match settled.transpose()?.flatten() {
            None => Ok(()),
            Some(stack) => Err(self.failure(&stack)?),
        }
    }

    /// Returns the error for a stack that failed, after it was rolled back if that is wanted.
    fn failure(&self, stack: &Stack) -> Result<Error> {
        let name = &self.request.stack;
        let failures = failures(&self.stacks.last_operation(stack)?);
        let first = failures.first().map(ToString::to_string);
        let reason = first.or_else(|| stack.reason.clone());
        let reason = reason.unwrap_or_else(|| format!("its status is {}", stack.status));
        let error =
            |action| Error::failed(format!("cannot {action} stack '{name}'")).with_reason(&reason);
        Ok(match (stack.status.as_str(), stack.phase()) {
            ("CREATE_FAILED", _) => {
                let question = InfraQuestion::RollBack {
                    stack: name,
                    reason: &reason,
                };
                let rolls_back = match self.request.on_failure {
                    OnFailure::RollBack => true,
                    OnFailure::Keep => false,
                    OnFailure::Ask => (self.ask)(&question)? == Answer::Yes,
                };
                if rolls_back {
                    self.delete(stack.clone())?;
                    return Ok(error("create").with_hint(
                        "what was created has been removed; correct the cause and run the same command again",
                    ));
                }
                error("create").with_hint(format!(
                    "what was created is kept and may cost money: remove it with sparkify infra down --stack {name}"
                ))
            }
            ("ROLLBACK_COMPLETE", _) => error("create").with_hint(
                "everything was rolled back, and nothing costs money; correct the cause and run the same command again",
            ),
            (_, StackPhase::NeverCreated) => error("create").with_hint(format!(
                "remove what is left with sparkify infra down --stack {name}"
            )),
            (_, StackPhase::UpdateRolledBack) => error("update").with_hint(
                "the update was rolled back, and the warehouse is as before; correct the cause and run the same command again",
            ),
            (_, StackPhase::UpdateStuck) => error("roll back the update of").with_hint(
                "correct the cause and run the same command again, which continues the roll-back",
            ),
            _ => error("delete")
                .with_hint(format!("run sparkify infra down --stack {name} to finish")),
        })
    }

    /// Sets the usage limit and writes the config file.
    fn finish(
        &self,
        stack: &Stack,
        plan: UpPlan,
        result: UpResult,
        replaces_config: bool,
    ) -> Result<UpReport> {
        let clients = self.stacks.clients;
        self.leftovers.set(format!(
            "stack '{}' is complete and may cost money, but its usage limit or {} may be missing: run the same command again",
            self.request.stack,
            self.request.config.display()
        ));
        let found = warehouse::find(clients, stack)?;
        let arn = found
            .as_ref()
            .and_then(|found| found.workgroup_arn.as_deref());
        let limit = match arn {
            Some(arn) => usage_limit::ensure(clients, arn, self.request.usage_limit)?,
            None => None,
        };
        let secret = stack.outputs.get("PasswordSecretArn").cloned();
        let secret = secret.or_else(|| found.and_then(|found| found.secret_arn));
        let is_current = self.write_config(stack, secret.as_deref(), replaces_config)?;
        let mut report = self.report(result, plan, limit, is_current);
        report.outputs = stack.outputs.clone();
        Ok(report)
    }

    /// Asks before a file of somebody else is replaced, before anything is created. Returns true if it is to be replaced.
    fn check_config(&self) -> Result<bool> {
        let path = &self.request.config;
        config_file::ensure_writable(path)?;
        let header = config_file::header(&self.request.stack, self.stacks.clients.region());
        let is_other = config_file::existing(path, &header, None)? == ExistingConfig::Other;
        if !is_other || self.request.replace_config {
            return Ok(self.request.replace_config);
        }
        match (self.ask)(&InfraQuestion::ReplaceConfig(path))? {
            Answer::Yes => Ok(true),
            Answer::No => Err(Error::failed(format!("cannot write {}", path.display()))
                .with_reason("it exists, and sparkify infra up did not write it for this stack")
                .with_hint("choose another --config, or replace it with --force")),
        }
    }

    /// Writes the config file. Returns false if it has other content, and is left as it is.
    fn write_config(&self, stack: &Stack, secret: Option<&str>, replaces: bool) -> Result<bool> {
        let path = &self.request.config;
        let header = config_file::header(&self.request.stack, self.stacks.clients.region());
        let content = config_file::render(&header, &stack.outputs, secret);
        match config_file::existing(path, &header, Some(&content))? {
            ExistingConfig::Same => return Ok(true),
            ExistingConfig::Absent => {}
            _ if replaces => {}
            _ => {
                if (self.ask)(&InfraQuestion::ReplaceConfig(path))? == Answer::No {
                    self.observer.warn(&format!(
                        "{} differs from what the stack says, and is left as it is; --force replaces it",
                        path.display()
                    ));
                    return Ok(false);
                }
            }
        }
        config_file::write(path, &content)?;
        Ok(true)
    }

    fn report(
        &self,
        result: UpResult,
        plan: UpPlan,
        usage_limit: Option<i64>,
        is_config_current: bool,
    ) -> UpReport {
        UpReport {
            result,
            plan,
            outputs: BTreeMap::new(),
            usage_limit,
            config: self.request.config.clone(),
            is_config_current,
        }
    }

    fn leave_running(&self, what: &str) {
        let name = &self.request.stack;
        self.leftovers.set(format!(
            "stack '{name}' {what} on AWS, and may cost money: run the same command again to finish, or sparkify infra \
             down --stack {name} to remove it"
        ));
    }
}
