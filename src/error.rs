//! Defines the error type of the crate, which says on one line what failed, where, why, and what to do next.
//!
//! An [`Error`] ends a command. An invalid record does not: it becomes a
//! [`Reject`](crate::decode::reject::Reject), and the run continues.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use crate::stop_signal::StopSignal;

/// A `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// The kind of an error, which determines the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The arguments or the configuration are wrong: exit code 2.
    Usage,
    /// The command failed while it worked: exit code 1.
    Failed,
    /// More was rejected than the run tolerates: exit code 3.
    TooManyRejects,
    /// The command failed for a reason that passes, such as a lost connection or another run: exit code 4. The same
    /// command can succeed later.
    Temporary,
    /// A signal stopped the command: exit code 130 or 143.
    Stopped(StopSignal),
}

/// The reason why a command failed.
///
/// It is printed as `message: reason; hint`, always on one line. An error that was caused by the error of a
/// library or of the operating system keeps it as its [source](std::error::Error::source); the line already
/// has its text.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    reason: Option<String>,
    hint: Option<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    fn new(kind: ErrorKind, message: String) -> Self {
        Self {
            kind,
            message,
            reason: None,
            hint: None,
            source: None,
        }
    }

    /// Returns the error of a command that failed; `message` names the object that it failed on.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message.into())
    }

    /// Returns the error of a command that was used wrongly.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message.into())
    }

    /// Returns the error of a run that rejected too much; `message` says how much.
    pub fn too_many_rejects(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::TooManyRejects, message.into())
    }

    /// Returns the error of a command that `signal` stopped.
    pub fn stopped(signal: StopSignal) -> Self {
        Self::new(ErrorKind::Stopped(signal), format!("stopped by {signal}"))
    }

    /// Returns the error of an operating system call on `path`; `action` is for example `"cannot read"`. An
    /// error of this type that passed through a reader or writer is returned unchanged, because it names
    /// its own action and path.
    pub fn io(action: &str, path: &Path, source: std::io::Error) -> Self {
        let source = match source.downcast::<Self>() {
            Ok(error) => return error,
            Err(source) => source,
        };
        let kind = source.kind();
        let error = Self::failed(format!("{action} {}", path.display())).with_source(source);
        match kind {
            std::io::ErrorKind::StorageFull => error.with_hint("free some space and run again"),
            std::io::ErrorKind::PermissionDenied => error.with_hint("check the permissions"),
            _ => error,
        }
    }

    /// Returns the error of Arrow for arrays that are too large or inconsistent.
    pub fn from_arrow(source: arrow_schema::ArrowError) -> Self {
        Self::failed("cannot build a record batch").with_source(source)
    }

    /// Sets the source, and its text as the reason.
    pub fn with_source(self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.with_reason(&source).caused_by(source)
    }

    /// Sets the source and leaves the reason as it is, for a source whose own text says too little or too much. A failure
    /// whose source passes, or was stopped, is of the same kind.
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        let source: Arc<dyn std::error::Error + Send + Sync> = Arc::new(source);
        if let (ErrorKind::Failed, Some(inner)) = (self.kind, source.downcast_ref::<Self>())
            && let kind @ (ErrorKind::Temporary | ErrorKind::Stopped(_)) = inner.kind
        {
            self.kind = kind;
        }
        self.source = Some(source);
        self
    }

    /// Says what became of the work, if a signal stopped it and nothing says so yet.
    pub(crate) fn describe_stop(self, outcome: impl fmt::Display) -> Self {
        let ErrorKind::Stopped(signal) = self.kind else {
            return self;
        };
        let stopped = Self::stopped(signal);
        match self.message == stopped.message && self.reason.is_some() {
            true => self,
            false => stopped.with_reason(outcome),
        }
    }

    /// Says that the reason of a failure passes, so that the same command can succeed later.
    pub fn temporary(mut self) -> Self {
        if self.kind == ErrorKind::Failed {
            self.kind = ErrorKind::Temporary;
        }
        self
    }

    /// Sets the reason.
    pub fn with_reason(mut self, reason: impl fmt::Display) -> Self {
        self.reason = Some(reason.to_string());
        self
    }

    /// Sets the hint: what to do next.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the hint if one is given.
    pub fn with_optional_hint(self, hint: Option<impl Into<String>>) -> Self {
        match hint {
            Some(hint) => self.with_hint(hint),
            None => self,
        }
    }

    /// Sets the hint if there is none.
    pub fn or_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Appends to the hint.
    pub fn add_hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(match self.hint {
            Some(first) => format!("{first}; {hint}"),
            None => hint.to_string(),
        });
        self
    }

    /// Returns what failed and why, without the hint, on one line.
    pub fn description(&self) -> String {
        let Self {
            message, reason, ..
        } = self;
        let line = match reason {
            Some(reason) => format!("{message}: {reason}"),
            None => message.clone(),
        };
        to_one_line(&line)
    }

    /// Returns what to do next, on one line, if that is known.
    pub fn hint(&self) -> Option<String> {
        self.hint.as_deref().map(to_one_line)
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the exit code of a command that failed with this error: 1, 2, 3, 4, 130 or 143.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ErrorKind::Failed => 1,
            ErrorKind::Usage => 2,
            ErrorKind::TooManyRejects => 3,
            ErrorKind::Temporary => 4,
            ErrorKind::Stopped(signal) => signal.exit_code(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description())?;
        match self.hint() {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Names and reasons may come from outside. They must neither add lines nor control the terminal.
fn to_one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_error_keeps_its_source_and_prints_its_text_once() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = Error::io("cannot read", Path::new("songs"), denied);
        assert_eq!(
            error.to_string(),
            "cannot read songs: permission denied; check the permissions"
        );
        let source = error
            .source()
            .and_then(|e| e.downcast_ref::<std::io::Error>());
        assert_eq!(
            source.map(std::io::Error::kind),
            Some(std::io::ErrorKind::PermissionDenied)
        );
    }

    #[test]
    fn an_error_that_passed_through_a_reader_stays_the_same() {
        let inner = Error::failed("cannot read s3://b/k").with_hint("check the key");
        let error = Error::io(
            "cannot read",
            Path::new("other"),
            std::io::Error::other(inner),
        );
        assert_eq!(error.to_string(), "cannot read s3://b/k; check the key");
    }

    #[test]
    fn a_source_can_leave_the_reason_as_it_is() {
        let source = std::io::Error::other("a long text");
        let error = Error::failed("cannot load")
            .with_reason("short")
            .caused_by(source);
        assert_eq!(error.to_string(), "cannot load: short");
        assert!(error.source().is_some_and(|e| e.is::<std::io::Error>()));
    }
}
