//! Connects to a warehouse: resolves the connection settings, secures the connection, and opens sessions.

pub mod config;
pub mod config_file;
mod connect_error;
pub mod error;
mod partial_config;
mod pgpass;
pub mod session;
mod statement_log;
pub mod tls;
