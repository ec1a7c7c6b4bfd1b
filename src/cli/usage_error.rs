//! Errors about the arguments.

use std::process::ExitCode;

use super::stderr::eprint_line;
use crate::error::Error;

/// Returns the error for a flag that would do nothing.
pub(super) fn no_effect(flag: &str, reason: impl std::fmt::Display) -> Error {
    Error::usage(format!("{flag} has no effect")).with_reason(reason)
}

/// Prints what the argument parser returns: the help, or a usage error. A usage error repeats arguments,
/// which may be URLs with credentials.
pub(super) fn print_usage_error(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    match redact_url_credentials(&text) {
        Some(text) if error.use_stderr() => eprint_line(&text),
        // A closed stream must not change the exit code.
        _ => drop(error.print()),
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Returns the text with everything between `://` and the last `@` on the same line replaced, or `None` if it
/// has no such part. A password may contain any character, quotes and spaces too.
fn redact_url_credentials(text: &str) -> Option<String> {
    let (before, rest) = text.split_once("://")?;
    let (url, after) = rest.split_at(rest.find('\n').unwrap_or(rest.len()));
    let masked = url.rsplit_once('@').map(|(_, host)| format!("***@{host}"));
    let after_masked = redact_url_credentials(after);
    if masked.is_none() && after_masked.is_none() {
        return None;
    }
    let url = masked.as_deref().unwrap_or(url);
    let after = after_masked.as_deref().unwrap_or(after);
    Some(format!("{before}://{url}{after}"))
}
