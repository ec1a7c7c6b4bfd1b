//! The one error type: what failed, where, why, and what to do next, on one line.
//!
//! An [`Error`] ends a run. A bad record never does: it becomes a
//! [`Reject`](crate::decode::reject::Reject) and the run goes on.

use std::fmt;
use std::path::Path;

/// A `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Who can mend it, which decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The command was wrong: exit code 2.
    Usage,
    /// The command was right and the work failed: exit code 1.
    Failed,
    /// More records were rejected than the run may lose: exit code 3.
    TooManyRejects,
}

/// Why a command ended early.
///
/// Printed as `what: why; hint`, always one line.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    reason: Option<String>,
    hint: Option<String>,
}

impl Error {
    /// The work failed; `what` names the thing it failed on.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Failed,
            message: message.into(),
            reason: None,
            hint: None,
        }
    }

    /// The command was wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Usage,
            message: message.into(),
            reason: None,
            hint: None,
        }
    }

    /// More was rejected than the run may lose; `what` says how much of what.
    pub fn too_many_rejects(message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::TooManyRejects,
            message: message.into(),
            reason: None,
            hint: None,
        }
    }

    /// An operating system call on `path` failed while doing `what` (`"cannot read"`). An error of this
    /// type that went through a reader or writer is given as it is: it says all that.
    pub fn io(action: &str, path: &Path, source: &std::io::Error) -> Self {
        if let Some(error) = source.get_ref().and_then(|e| e.downcast_ref::<Self>()) {
            return error.clone();
        }
        let error = Self::failed(format!("{action} {}", path.display())).with_reason(source);
        match source.kind() {
            std::io::ErrorKind::StorageFull => error.with_hint("free some space and run again"),
            std::io::ErrorKind::PermissionDenied => error.with_hint("check the permissions"),
            _ => error,
        }
    }

    /// Arrow refused arrays: they are too large for it, or this program has a fault.
    pub fn from_arrow(source: arrow_schema::ArrowError) -> Self {
        Self::failed("cannot build a record batch").with_reason(source)
    }

    /// Adds the reason.
    pub fn with_reason(mut self, reason: impl fmt::Display) -> Self {
        self.reason = Some(reason.to_string());
        self
    }

    /// Adds what the reader should do next.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what the reader should know beside that.
    pub fn add_hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(match self.hint {
            Some(first) => format!("{first}; {hint}"),
            None => hint.to_string(),
        });
        self
    }

    /// Returns the exit code of a command that ended with this error: 1, 2 or 3.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ErrorKind::Failed => 1,
            ErrorKind::Usage => 2,
            ErrorKind::TooManyRejects => 3,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.message.clone();
        for (separator, part) in [(": ", &self.reason), ("; ", &self.hint)] {
            if let Some(part) = part {
                line.push_str(separator);
                line.push_str(part);
            }
        }
        // Names and reasons come from outside: keep the promise of one line, and let none of them
        // draw on a terminal.
        f.write_str(&line.replace(char::is_control, " "))
    }
}

impl std::error::Error for Error {}
