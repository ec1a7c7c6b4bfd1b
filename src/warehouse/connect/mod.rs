//! Connects to a warehouse: resolves the connection settings, secures the connection, and opens sessions.

mod cancellation;
pub(crate) mod config;
pub(crate) mod config_file;
mod connect_error;
pub(crate) mod error;
mod explanation;
mod home;
mod host_connection;
mod host_name;
pub(crate) mod hosts;
mod ini;
pub(crate) mod keepalives;
mod login_error_class;
pub(crate) mod login_source;
pub(crate) mod managed_login;
mod new_login;
mod notices;
mod parameter;
mod pgpass;
mod server_probe;
mod server_search;
mod service;
pub(crate) mod session;
mod settings;
pub(crate) mod statement_log;
pub(crate) mod target_session;
mod time_limit;
pub(crate) mod tls;
mod tls_connector;
mod tls_error;
mod url;
pub(crate) mod value_source;

pub(crate) use server_probe::{PresentedCertificate, ServerProbe, TlsProbe};
