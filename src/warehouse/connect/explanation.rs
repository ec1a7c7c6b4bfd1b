//! Says why a connection failed, and what to do next.

use crate::error::Error;

/// Why a connection failed, and what to do next.
#[derive(Debug)]
pub(super) struct Explanation {
    pub reason: String,
    pub hint: Option<String>,
}

impl Explanation {
    pub(super) fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: Some(hint.into()),
        }
    }

    pub(super) fn without_hint(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: None,
        }
    }

    /// Returns the error for a connection that is displayed as `connection`.
    pub(super) fn into_error(self, connection: impl std::fmt::Display) -> Error {
        Error::failed(format!("cannot connect to {connection}"))
            .with_reason(self.reason)
            .with_optional_hint(self.hint)
    }
}
