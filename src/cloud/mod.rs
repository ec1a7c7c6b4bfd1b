//! Uses the services of AWS around a warehouse: CloudFormation, Redshift, Redshift Serverless and Secrets Manager.
//!
//! Compiled only with the cargo feature `cloud`, because the clients of these services take longer to compile than all the
//! rest.

mod clients;
mod error;
pub(crate) mod login;
