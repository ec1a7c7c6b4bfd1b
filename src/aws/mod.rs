//! Connects to AWS: configuration, credentials, HTTP client and threads, shared by the clients of all services.

pub(crate) mod config;
pub(crate) mod credentials;
pub(crate) mod error;
mod http_client;
mod no_proxy;
mod options;
pub(crate) mod profile;
pub(crate) mod proxy;
mod runtime;

pub(crate) use http_client::connector_to;
pub use options::AwsOptions;
pub(crate) use runtime::AwsRuntime;
