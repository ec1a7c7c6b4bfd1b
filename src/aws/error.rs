//! Extracts from the errors of the AWS SDK what a user needs to know.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;

/// What to do if there are no credentials.
pub(crate) const NO_CREDENTIALS_HINT: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --profile, or run on a machine with an \
     instance role; use --no-sign-request for a public bucket";

/// Returns the reason of an error for credentials that cannot be loaded.
pub(crate) fn no_credentials_reason(why: &str) -> String {
    format!("unable to locate credentials: {why}")
}

/// Returns the message of the credentials provider, if it caused the error.
pub(crate) fn credentials_error(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut source = Some(error);
    while let Some(error) = source {
        if let Some(found) = error.downcast_ref::<CredentialsError>() {
            return Some(strip_stderr(root_cause(found)));
        }
        source = error.source();
    }
    None
}

/// Returns the message of the innermost cause of an error.
pub(crate) fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Removes the output of a `credential_process` from the message of a credentials provider, because it may
/// contain a secret.
pub(crate) fn strip_stderr(message: String) -> String {
    match message.split_once(". Stderr:") {
        Some((reason, _)) => reason.to_owned(),
        None => message,
    }
}
