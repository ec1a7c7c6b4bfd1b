//! Extracts from the errors of the AWS SDK what a user needs to know.

use std::error::Error as StdError;

use aws_credential_types::provider::error::CredentialsError;

/// Returns the reason of an error for credentials that cannot be loaded. `sso_profile` is the profile whose SSO session
/// should provide them.
pub(crate) fn no_credentials_reason(cause: &str, sso_profile: Option<&str>) -> String {
    let why = if cause.contains("no credentials found in chain") {
        // The SDK lists what it tried on many lines.
        "there are none in the environment, in the profile, or from a role of this container or instance"
    } else if sso_profile.is_some() && is_missing_sso_token(cause) {
        "there is no SSO session"
    } else {
        cause.trim_end_matches('.')
    };
    format!("unable to locate credentials: {why}")
}

/// Returns what to do if credentials cannot be loaded.
pub(crate) fn no_credentials_hint(cause: &str, sso_profile: Option<&str>) -> String {
    match sso_profile {
        Some(profile) if cause.contains("SSO token") || is_missing_sso_token(cause) => {
            format!("run {}", sso_login(profile))
        }
        Some(profile) => format!("if the SSO session has expired, run {}", sso_login(profile)),
        None => "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --profile, or run on a machine with an \
                 instance role; use --no-sign-request for a public bucket"
            .to_owned(),
    }
}

/// Returns the command that begins an SSO session.
pub(crate) fn sso_login(profile: &str) -> String {
    format!("aws sso login --profile {profile}")
}

/// Returns true if the cause is that nobody logged in on this machine, or has logged out. The cause must be one of an SSO
/// provider: a web identity token can be a missing file too.
fn is_missing_sso_token(cause: &str) -> bool {
    cause == "failed to load the cached SSO token" || cause.starts_with("No such file")
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
