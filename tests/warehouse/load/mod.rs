//! Loads into PostgreSQL and into the Redshift simulator, compared row by row: repeated, in batches and in
//! any order.

mod batches;
mod constraints;
pub(crate) mod fixture;
mod tables;
