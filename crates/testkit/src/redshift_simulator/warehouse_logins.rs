//! Who can log in to a server. It changes while the server runs.

use std::sync::{Arc, Mutex};

use postgres_protocol::authentication::md5_hash;

use crate::redshift_simulator::settings::{AuthMethod, PASSWORD, USER};

#[derive(Clone)]
struct WarehouseLogin {
    user: String,
    password: String,
    /// Whether it is valid for one connection only. The temporary logins of AWS are valid for minutes: tests see by this
    /// that each connection has a new one.
    is_for_once: bool,
}

/// The logins of a server; clones share them.
#[derive(Clone)]
pub struct WarehouseLogins(Arc<Mutex<Vec<WarehouseLogin>>>);

impl Default for WarehouseLogins {
    fn default() -> Self {
        let login = WarehouseLogin {
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
            is_for_once: false,
        };
        Self(Arc::new(Mutex::new(vec![login])))
    }
}

impl WarehouseLogins {
    /// Replaces the passwords of a user.
    pub fn set_password(&self, user: &str, password: &str) {
        self.replace(user, password, false);
    }

    /// Replaces the passwords of a user by one for a single connection.
    pub fn set_password_for_once(&self, user: &str, password: &str) {
        self.replace(user, password, true);
    }

    fn replace(&self, user: &str, password: &str, is_for_once: bool) {
        let mut logins = self.0.lock().unwrap();
        logins.retain(|login| login.user != user);
        logins.push(WarehouseLogin {
            user: user.to_owned(),
            password: password.to_owned(),
            is_for_once,
        });
    }

    /// Returns true if this answer to the question for the password is right.
    pub(super) fn accept(
        &self,
        user: &str,
        given: &str,
        method: AuthMethod,
        salt: [u8; 4],
    ) -> bool {
        let mut logins = self.0.lock().unwrap();
        let found = logins.iter().position(|login| {
            let password = &login.password;
            login.user == user
                && match method {
                    AuthMethod::Md5 => {
                        given == md5_hash(user.as_bytes(), password.as_bytes(), salt)
                    }
                    AuthMethod::Cleartext => given == password,
                    // No response to this method is accepted: clients without support for it must fail.
                    AuthMethod::Sha256 => false,
                }
        });
        if let Some(index) = found
            && logins[index].is_for_once
        {
            logins.remove(index);
        }
        found.is_some()
    }
}
