//! Chooses where the login of a connection comes from.

use std::sync::Arc;

use super::iam_logins::IamLogins;
use super::secret_logins::SecretLogins;
use crate::aws::AwsOptions;
use crate::warehouse::connect::config::ConnectionConfig;
use crate::warehouse::connect::login_source::LoginSource;
use crate::warehouse::connect::managed_login::ManagedLogin;

/// Returns what gets the login that connection settings name, or `None` if they have user and password.
pub(crate) fn login_source(
    connection: &ConnectionConfig,
    aws: &AwsOptions,
) -> Option<Arc<dyn LoginSource>> {
    match connection.managed_login.clone()? {
        ManagedLogin::Iam(login) => Some(Arc::new(IamLogins {
            login,
            database: connection.database.clone(),
            aws: aws.clone(),
        })),
        ManagedLogin::Secret(secret) => Some(Arc::new(SecretLogins {
            secret,
            aws: aws.clone(),
        })),
    }
}
