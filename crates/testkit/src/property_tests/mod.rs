//! Strategies and the configuration of property tests.

pub mod config;
pub mod json_strategies;
