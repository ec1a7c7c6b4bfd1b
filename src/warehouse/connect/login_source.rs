//! Defines what a service that returns logins does.

use std::fmt;

use secrecy::SecretString;

use crate::error::Result;

/// A service that returns the user and the password of a login.
pub trait LoginSource: fmt::Debug + Send + Sync {
    /// Returns a login that is valid now.
    ///
    /// # Errors
    /// Returns an error if the service refuses the request or cannot be reached. It is temporary if the same request can
    /// succeed later.
    fn login(&self) -> Result<Login>;
}

/// The user and the password of a login.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user, if the service knows it.
    pub user: Option<String>,
    /// The password.
    pub password: SecretString,
}
