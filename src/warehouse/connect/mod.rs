//! Connecting to a warehouse: where it is, as whom, and how the connection is protected.

pub mod config;
pub mod config_file;
pub mod error;
mod pgpass;
pub mod secret;
pub mod session;
pub mod tls;
mod url;
