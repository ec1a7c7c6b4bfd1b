//! The requests that change a stack. Each can be repeated: the second does no harm.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::types::{Capability, OnFailure, Parameter, Tag};

use super::stack::{STACK_TAG, Stack, StackReader};
use super::template::template_for;
use crate::error::Result;

/// Whether a request has begun an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    Yes,
    /// The stack is as it is wanted, or another command was quicker.
    NotNeeded,
}

/// Returns a token, by which CloudFormation knows a request that the client repeats. It is a new one for each request, because
/// a stack that was removed and is created again may be the same in everything.
fn new_token() -> String {
    format!("sparkify-{}", uuid::Uuid::now_v7())
}

fn to_parameters(parameters: &BTreeMap<String, String>) -> Vec<Parameter> {
    let parameters = parameters.iter();
    parameters
        .map(|(name, value)| {
            let parameter = Parameter::builder().parameter_key(name);
            parameter.parameter_value(value).build()
        })
        .collect()
}

fn stack_tag(name: &str) -> Tag {
    Tag::builder().key(STACK_TAG).value(name).build()
}

/// Begins to create the stack. `keep_failed` keeps what was created if something fails; otherwise CloudFormation removes it,
/// even if this process has ended by then.
///
/// # Errors
/// Returns an error if CloudFormation refuses.
pub(super) fn create(
    stacks: &StackReader<'_>,
    parameters: &BTreeMap<String, String>,
    keep_failed: bool,
) -> Result<Begun> {
    let clients = stacks.clients;
    let request = clients
        .cloudformation
        .create_stack()
        .stack_name(stacks.name)
        .template_body(template_for(clients.region()))
        .set_parameters(Some(to_parameters(parameters)))
        .capabilities(Capability::CapabilityNamedIam)
        .on_failure(match keep_failed {
            true => OnFailure::DoNothing,
            false => OnFailure::Rollback,
        })
        .tags(stack_tag(stacks.name))
        .client_request_token(new_token());
    match clients.send(request.send()) {
        Ok(_) => Ok(Begun::Yes),
        // By another command, or by the first attempt of this request, whose response was lost.
        Err(error) if error.code() == "AlreadyExistsException" => Ok(Begun::NotNeeded),
        Err(error) => Err(stacks.error("create", "cloudformation:CreateStack", &error)),
    }
}

/// Begins to update the stack. CloudFormation rolls the update back if something fails.
///
/// # Errors
/// Returns an error if CloudFormation refuses.
pub(super) fn update(
    stacks: &StackReader<'_>,
    stack: &Stack,
    parameters: &BTreeMap<String, String>,
) -> Result<Begun> {
    let clients = stacks.clients;
    let request = clients
        .cloudformation
        .update_stack()
        .stack_name(&stack.id)
        .template_body(template_for(clients.region()))
        .set_parameters(Some(to_parameters(parameters)))
        .capabilities(Capability::CapabilityNamedIam)
        .tags(stack_tag(stacks.name))
        .client_request_token(new_token());
    match clients.send(request.send()) {
        Ok(_) => Ok(Begun::Yes),
        Err(error) if error.message().contains("No updates are to be performed") => {
            Ok(Begun::NotNeeded)
        }
        Err(error) => Err(stacks.error("update", "cloudformation:UpdateStack", &error)),
    }
}

/// Continues the roll-back of an update that failed.
///
/// # Errors
/// Returns an error if CloudFormation refuses.
pub(super) fn continue_rollback(stacks: &StackReader<'_>, stack: &Stack) -> Result<()> {
    let request = stacks.clients.cloudformation.continue_update_rollback();
    let request = request
        .stack_name(&stack.id)
        .client_request_token(new_token());
    let response = stacks.clients.send(request.send());
    response.map(|_| ()).map_err(|error| {
        stacks.error(
            "roll back the update of",
            "cloudformation:ContinueUpdateRollback",
            &error,
        )
    })
}

/// Begins to delete the stack, except the resources in `retained`, which is allowed only after a deletion has failed.
///
/// # Errors
/// Returns an error if CloudFormation refuses.
pub(super) fn delete(stacks: &StackReader<'_>, stack: &Stack, retained: &[String]) -> Result<()> {
    let request = stacks.clients.cloudformation.delete_stack();
    let retained = (!retained.is_empty()).then(|| retained.to_vec());
    let request = request
        .stack_name(&stack.id)
        .set_retain_resources(retained)
        .client_request_token(new_token());
    let response = stacks.clients.send(request.send());
    response
        .map(|_| ())
        .map_err(|error| stacks.error("delete", "cloudformation:DeleteStack", &error))
}
