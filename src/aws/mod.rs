//! Connects to AWS: configuration, credentials, HTTP client and threads, shared by the clients of all services.

mod caller_identity;
pub(crate) mod config;
pub(crate) mod credentials;
pub(crate) mod error;
mod http_client;
mod no_proxy;
mod options;
pub(crate) mod profile;
pub(crate) mod proxy;
mod runtime;

pub(crate) use caller_identity::{CallerIdentity, caller_identity, has_identity_endpoint};
pub(crate) use http_client::connector_to;
pub use options::AwsOptions;
pub(crate) use runtime::AwsRuntime;
