//! The SQL that checks and transforms raw records, on the Redshift simulator: it leaves the tables and rejects the records
//! that the engine of `sparkify run` does.

mod choices;
mod counts;
mod fixture;
mod large_batch;
mod numbers;
mod query_plans;
mod records;
mod texts;
