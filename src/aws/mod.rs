//! Loads the AWS configuration and credentials.

pub mod config;
