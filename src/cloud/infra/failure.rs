//! What the events of a stack tell: what is being made, and why something could not be.

use std::collections::BTreeSet;

/// The type of the events about the stack itself.
const STACK_TYPE: &str = "AWS::CloudFormation::Stack";

/// An event of a stack.
#[derive(Debug, Clone)]
pub(super) struct StackEvent {
    /// The name of the resource in the template.
    resource: String,
    resource_type: String,
    status: String,
    reason: String,
}

/// A resource that could not be made, changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResourceFailure {
    /// The name of the resource in the template.
    pub(super) resource: String,
    resource_type: String,
    reason: String,
}

impl std::fmt::Display for ResourceFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            resource,
            resource_type,
            reason,
        } = self;
        write!(f, "{resource} ({resource_type}): {reason}")
    }
}

impl From<aws_sdk_cloudformation::types::StackEvent> for StackEvent {
    fn from(event: aws_sdk_cloudformation::types::StackEvent) -> Self {
        let status = event.resource_status;
        Self {
            resource: event.logical_resource_id.unwrap_or_default(),
            resource_type: event.resource_type.unwrap_or_default(),
            status: status.map_or_else(String::new, |status| status.as_str().to_owned()),
            reason: event.resource_status_reason.unwrap_or_default(),
        }
    }
}

impl StackEvent {
    fn is_about_stack(&self) -> bool {
        self.resource_type == STACK_TYPE
    }

    /// Returns true for the event with which a user began an operation. A roll-back is a part of the operation.
    fn begins_operation(&self) -> bool {
        let began = [
            "CREATE_IN_PROGRESS",
            "UPDATE_IN_PROGRESS",
            "DELETE_IN_PROGRESS",
        ];
        self.is_about_stack() && began.contains(&self.status.as_str())
    }
}

/// Removes the events before the last operation. Returns false if its first event is not among them.
pub(super) fn truncate_to_last_operation(newest_first: &mut Vec<StackEvent>) -> bool {
    let begin = newest_first.iter().position(StackEvent::begins_operation);
    if let Some(begin) = begin {
        newest_first.truncate(begin + 1);
    }
    begin.is_some()
}

/// Returns what CloudFormation is doing, such as `create Workgroup, 12 resources done`.
pub(super) fn progress(newest_first: &[StackEvent], stack_status: &str) -> String {
    let verb = match stack_status.split('_').next() {
        Some("CREATE") => "create",
        Some("UPDATE") if stack_status.contains("ROLLBACK") => "roll back",
        Some("UPDATE") => "update",
        Some("DELETE") => "delete",
        _ => "roll back",
    };
    let resources = newest_first.iter().filter(|event| !event.is_about_stack());
    let mut seen = BTreeSet::new();
    let mut current = None;
    let mut done = 0;
    // The newest event of a resource has its state.
    for event in resources {
        if seen.insert(&event.resource) {
            match event.status.ends_with("_IN_PROGRESS") {
                // The one that began first takes longest.
                true => current = Some(event),
                false if event.status.ends_with("_COMPLETE") => done += 1,
                false => {}
            }
        }
    }
    match current {
        Some(event) => format!("{verb} {} ({done} done)", event.resource),
        None => format!("{verb} stack ({done} done)"),
    }
}

/// Returns the resources that failed, in order. Those that were only canceled because another one failed are left out.
pub(super) fn failures(newest_first: &[StackEvent]) -> Vec<ResourceFailure> {
    let oldest_first = newest_first.iter().rev();
    let failed = oldest_first.filter(|event| {
        event.status.ends_with("_FAILED")
            && !event.is_about_stack()
            && !event.reason.to_lowercase().contains("cancelled")
    });
    let mut failures: Vec<ResourceFailure> = Vec::new();
    for event in failed {
        if failures
            .iter()
            .all(|known| known.resource != event.resource)
        {
            failures.push(ResourceFailure {
                resource: event.resource.clone(),
                resource_type: event.resource_type.clone(),
                reason: event.reason.trim_end_matches('.').to_owned(),
            });
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(resource: &str, status: &str, reason: &str) -> StackEvent {
        StackEvent {
            resource: resource.to_owned(),
            resource_type: match resource {
                "stack" => STACK_TYPE.to_owned(),
                _ => format!("AWS::Test::{resource}"),
            },
            status: status.to_owned(),
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn first_failure_is_the_cause() {
        let mut events = vec![
            event(
                "stack",
                "ROLLBACK_IN_PROGRESS",
                "Rollback requested by user.",
            ),
            event("Role", "CREATE_FAILED", "Resource creation cancelled"),
            event("Workgroup", "CREATE_FAILED", "Not enough addresses."),
            event("stack", "CREATE_IN_PROGRESS", "User Initiated"),
            event("Vpc", "CREATE_FAILED", "an older one"),
        ];
        assert!(truncate_to_last_operation(&mut events));
        let failures = failures(&events);
        let texts: Vec<_> = failures.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            ["Workgroup (AWS::Test::Workgroup): Not enough addresses"]
        );
    }

    #[test]
    fn progress_names_the_resource_that_is_being_made() {
        let events = [
            event("Workgroup", "CREATE_IN_PROGRESS", ""),
            event("Vpc", "CREATE_COMPLETE", ""),
            event("Vpc", "CREATE_IN_PROGRESS", ""),
            event("stack", "CREATE_IN_PROGRESS", "User Initiated"),
        ];
        let create = progress(&events, "CREATE_IN_PROGRESS");
        assert_eq!(create, "create Workgroup (1 done)");
        let rollback = progress(&events[1..], "UPDATE_ROLLBACK_IN_PROGRESS");
        assert_eq!(rollback, "roll back stack (1 done)");
    }
}
