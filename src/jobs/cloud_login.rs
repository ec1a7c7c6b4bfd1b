//! Lets the connection to a warehouse get its login from AWS.

use crate::aws::AwsOptions;
use crate::error::Result;
use crate::warehouse::connect::config::ConnectionConfig;

/// Returns the settings with the client that gets their login from IAM or Secrets Manager, if they name one. The client uses
/// the profile of the options, and their region unless the host name or the secret has one.
///
/// # Errors
/// Returns an error if they name one, and the program was built without the cargo feature `cloud`.
#[cfg(feature = "cloud")]
pub fn with_cloud_login(
    mut connection: ConnectionConfig,
    aws: &AwsOptions,
) -> Result<ConnectionConfig> {
    connection.login_source = crate::cloud::login::login_source(&connection, aws);
    Ok(connection)
}

/// Returns the settings, unless they name a login of IAM or Secrets Manager.
///
/// # Errors
/// Returns an error if they name one, because the program was built without the cargo feature `cloud`.
#[cfg(not(feature = "cloud"))]
pub fn with_cloud_login(
    connection: ConnectionConfig,
    _aws: &AwsOptions,
) -> Result<ConnectionConfig> {
    match &connection.managed_login {
        None => Ok(connection),
        Some(login) => Err(
            crate::error::Error::usage(format!("cannot log in by {login}"))
                .with_reason("this binary was built without the feature cloud")
                .with_hint(
                    "build one that has it: cargo install --locked --path . --features cloud",
                ),
        ),
    }
}
