//! Uses the services of AWS around a warehouse: CloudFormation, Redshift, Redshift Serverless and Secrets Manager.
//!
//! Compiled only with the cargo feature `cloud`, because the clients of these services take longer to compile than all the
//! rest.

pub(crate) mod clients;
mod error;
pub(crate) mod infra;
pub(crate) mod login;

pub(crate) use clients::CloudClients;
pub(crate) use error::{CloudError, RequestContext};
