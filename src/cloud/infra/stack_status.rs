//! The states of a stack, and what each of them allows.

/// What the status of a stack means for the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StackPhase {
    /// CloudFormation works on it.
    Busy,
    /// It is as it was wanted last, and can be updated.
    Complete,
    /// An update failed, and the stack is as it was before. It can be updated.
    UpdateRolledBack,
    /// An update failed, and so did the roll-back. It must be continued.
    UpdateStuck,
    /// It was never complete. It can only be deleted.
    NeverCreated,
    /// Its deletion failed.
    DeleteFailed,
    /// It is gone.
    Deleted,
}

impl StackPhase {
    /// Returns the phase of a status such as `CREATE_COMPLETE`.
    pub(super) fn of_status(status: &str) -> Self {
        match status {
            "DELETE_COMPLETE" => Self::Deleted,
            "DELETE_FAILED" => Self::DeleteFailed,
            "CREATE_FAILED" | "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "REVIEW_IN_PROGRESS" => {
                Self::NeverCreated
            }
            "UPDATE_ROLLBACK_FAILED" => Self::UpdateStuck,
            "UPDATE_ROLLBACK_COMPLETE" | "UPDATE_FAILED" | "IMPORT_ROLLBACK_COMPLETE" => {
                Self::UpdateRolledBack
            }
            _ if status.ends_with("_COMPLETE") => Self::Complete,
            _ if status.ends_with("_IN_PROGRESS") => Self::Busy,
            // What is neither is for a person to look at.
            _ => Self::UpdateStuck,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_phase() {
        use aws_sdk_cloudformation::types::StackStatus;
        for status in StackStatus::values() {
            let phase = StackPhase::of_status(status);
            let is_busy = status.ends_with("_IN_PROGRESS") && *status != "REVIEW_IN_PROGRESS";
            assert_eq!(phase == StackPhase::Busy, is_busy, "{status}");
        }
    }
}
