//! Reads a stack: its state, what is being made, and why it failed.

use std::collections::BTreeMap;

use super::failure::{StackEvent, progress, truncate_to_last_operation};
use super::poll::PollDelays;
use super::stack_status::StackPhase;
use crate::cloud::clients::CloudClients;
use crate::cloud::error::{CloudError, RequestContext};
use crate::error::{Error, Result};
use crate::observer::Observer;

/// The tag of the stacks that this program creates. It never touches another one.
pub(super) const STACK_TAG: &str = "sparkify:stack";

/// A stack as CloudFormation describes it.
#[derive(Debug, Clone)]
pub(super) struct Stack {
    pub(super) id: String,
    pub(super) status: String,
    /// Why it has this status, as CloudFormation says it.
    pub(super) reason: Option<String>,
    pub(super) parameters: BTreeMap<String, String>,
    pub(super) outputs: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
}

impl Stack {
    /// Returns the phase of its status.
    pub(super) fn phase(&self) -> StackPhase {
        StackPhase::of_status(&self.status)
    }

    /// Returns an error if this program did not create the stack.
    pub(super) fn ensure_ours(&self, name: &str) -> Result<()> {
        match self.tags.contains_key(STACK_TAG) {
            true => Ok(()),
            false => Err(
                Error::failed(format!("stack '{name}' is not one of sparkify's"))
                    .with_reason(format!("it has no tag {STACK_TAG}"))
                    .with_hint("choose another --stack"),
            ),
        }
    }

    /// Returns true if the warehouse is a cluster, and false if it is serverless.
    pub(super) fn is_cluster(&self) -> bool {
        self.parameters.get("WarehouseKind").map(String::as_str) == Some("cluster")
    }

    /// Returns the name of the cluster, or of workgroup and namespace.
    pub(super) fn warehouse_name(&self) -> &str {
        self.parameters.get("Name").map_or("", String::as_str)
    }
}

/// The stack of one name, and the clients that reach it.
#[derive(Debug, Clone, Copy)]
pub(super) struct StackReader<'a> {
    pub(super) clients: &'a CloudClients,
    pub(super) name: &'a str,
}

impl StackReader<'_> {
    /// Returns the stack, or `None` if there is none of this name.
    ///
    /// # Errors
    /// Returns an error if CloudFormation cannot be asked.
    pub(super) fn find(&self) -> Result<Option<Stack>> {
        self.describe(self.name)
    }

    /// Describes a stack by its name, or by its id, by which a deleted one is still found.
    fn describe(&self, name_or_id: &str) -> Result<Option<Stack>> {
        let request = self.clients.cloudformation.describe_stacks();
        let response = self.clients.send(request.stack_name(name_or_id).send());
        let stack = match response {
            Ok(response) => response.stacks.unwrap_or_default().into_iter().next(),
            Err(error) if is_missing(&error) => None,
            Err(error) => {
                return Err(self.error("describe", "cloudformation:DescribeStacks", &error));
            }
        };
        Ok(stack.map(|stack| {
            let parameters = stack.parameters.unwrap_or_default().into_iter();
            let outputs = stack.outputs.unwrap_or_default().into_iter();
            let tags = stack.tags.unwrap_or_default().into_iter();
            Stack {
                id: stack.stack_id.unwrap_or_default(),
                status: stack
                    .stack_status
                    .map(|status| status.as_str().to_owned())
                    .unwrap_or_default(),
                reason: stack.stack_status_reason,
                parameters: parameters
                    .filter_map(|p| p.parameter_key.zip(p.parameter_value))
                    .collect(),
                outputs: outputs
                    .filter_map(|o| o.output_key.zip(o.output_value))
                    .collect(),
                tags: tags.filter_map(|tag| tag.key.zip(tag.value)).collect(),
            }
        }))
    }

    /// Returns the template of the stack, as it was sent.
    pub(super) fn template(&self, stack: &Stack) -> Result<String> {
        let request = self.clients.cloudformation.get_template();
        let response = self.clients.send(request.stack_name(&stack.id).send());
        let response = response
            .map_err(|e| self.error("read the template of", "cloudformation:GetTemplate", &e))?;
        Ok(response.template_body.unwrap_or_default())
    }

    /// Returns the events of the last operation on the stack, from the newest to the oldest.
    pub(super) fn last_operation(&self, stack: &Stack) -> Result<Vec<StackEvent>> {
        let mut events = Vec::new();
        let mut token = None;
        loop {
            let request = self.clients.cloudformation.describe_stack_events();
            let request = request.stack_name(&stack.id).set_next_token(token);
            let response = self.clients.send(request.send()).map_err(|e| {
                self.error(
                    "read the events of",
                    "cloudformation:DescribeStackEvents",
                    &e,
                )
            })?;
            let page = response.stack_events.unwrap_or_default().into_iter();
            events.extend(page.map(StackEvent::from));
            token = response.next_token;
            if truncate_to_last_operation(&mut events) || token.is_none() {
                return Ok(events);
            }
        }
    }

    /// Waits until CloudFormation does not work on the stack, and shows the resource that is being made. Returns `None` if
    /// the stack is gone then.
    ///
    /// # Errors
    /// Returns an error if CloudFormation cannot be asked, or as soon as the work is to stop.
    pub(super) fn wait(&self, stack: Stack, observer: &dyn Observer) -> Result<Option<Stack>> {
        let mut delays = PollDelays::new();
        let mut current = stack;
        let mut shown = String::new();
        let settled = loop {
            match current.phase() {
                StackPhase::Busy => {}
                StackPhase::Deleted => break None,
                _ => break Some(current),
            }
            let events = self.last_operation(&current)?;
            let step = progress(&events, &current.status);
            if step != shown {
                observer.start_phase(&step, None);
                tracing::info!(stack = self.name, status = current.status, "{step}");
                shown = step;
            }
            delays.wait()?;
            match self.describe(&current.id)? {
                Some(stack) => current = stack,
                None => break None,
            }
        };
        observer.finish_phase();
        Ok(settled)
    }

    /// Returns the error of a request about the stack.
    pub(super) fn error(
        &self,
        action: &str,
        permission: &'static str,
        error: &CloudError,
    ) -> Error {
        let context = RequestContext {
            failure: format!(
                "cannot {action} stack '{}' in {}",
                self.name,
                self.clients.region()
            ),
            permission,
        };
        self.clients.to_error(error, &context)
    }
}

/// Returns true if CloudFormation has no stack of the name. It has no code of its own for that.
fn is_missing(error: &CloudError) -> bool {
    error.code() == "ValidationError" && error.message().contains("does not exist")
}
