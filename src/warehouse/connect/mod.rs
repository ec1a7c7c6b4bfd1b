//! Connects to a warehouse: resolves the connection settings, secures the connection, and opens sessions.

pub(crate) mod config;
pub(crate) mod config_file;
mod connect_error;
pub(crate) mod error;
mod login_error_class;
mod partial_config;
mod pgpass;
pub(crate) mod session;
pub(crate) mod statement_log;
pub(crate) mod tls;
