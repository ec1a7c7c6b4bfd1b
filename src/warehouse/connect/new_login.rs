//! Gets the user and the password of a login from a service just before each connection.

use super::config::ConnectionConfig;
use super::error::{ErrorClass, StatementError, fatal};
use crate::error::{Error, ErrorKind};

/// Returns the settings with a new login, or `None` if user and password are set already.
///
/// # Errors
/// Returns an error if the service returns no login, or one for another user.
pub(super) fn with_new_login(
    connection: &ConnectionConfig,
) -> std::result::Result<Option<ConnectionConfig>, StatementError> {
    let Some(managed) = &connection.managed_login else {
        return Ok(None);
    };
    let failed = || Error::failed(format!("cannot connect to {connection}"));
    let source = connection.login_source.as_ref().ok_or_else(|| {
        fatal(
            failed()
                .with_reason(format!("nothing gets the login by {managed}"))
                .with_hint("call with_cloud_login on the connection settings"),
        )
    })?;
    let login = source.login().map_err(|error| StatementError {
        class: match error.kind() {
            ErrorKind::Temporary => ErrorClass::ConnectionLost,
            _ => ErrorClass::Fatal,
        },
        error,
    })?;
    let mut connection = connection.clone().with_password(Some(login.password));
    match login.user {
        Some(user) if connection.user.is_empty() || managed.names_the_user() => {
            connection.user = user;
        }
        Some(user) if user != connection.user => {
            return Err(fatal(
                failed()
                    .with_reason(format!(
                        "the user is '{}', and '{user}' in {managed}",
                        connection.user
                    ))
                    .with_hint(
                        "remove the user from the settings, or name the secret of that user",
                    ),
            ));
        }
        None if connection.user.is_empty() => {
            return Err(fatal(
                failed()
                    .with_reason(format!("there is no user name in {managed}"))
                    .with_hint(
                        "set the user in the URL, PGUSER, or DB_USER under [CLUSTER] in --config",
                    ),
            ));
        }
        _ => {}
    }
    Ok(Some(connection))
}
