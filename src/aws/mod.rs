//! What all AWS services have in common: configuration and credentials.

pub mod config;
