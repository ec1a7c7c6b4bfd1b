//! The engine inside Redshift: the warehouse copies the raw JSON from S3 and transforms it by SQL, with the same result as
//! the engine in this process.
//!
//! `list objects -> manifests -> COPY ... FORMAT AS JSON -> checks -> transform -> merge`
//!
//! - `run` lists the input, writes the manifests, and publishes the report. `raw_records` fills the staging tables of the
//!   load by the statements of `plan`: everything from the first COPY to the COMMIT is one transaction, which
//!   `warehouse::load` runs. `attempt` collects what one attempt of it finds, and `engine_run` builds the report.
//!   `kept_staging` checks that the staging tables that stay replace none of the user.
//! - `json_copy` runs a COPY, and `copy_error` explains one that failed. `load_errors` are the records that COPY could not read, `rejected_records` those that the checks rejected. `rejects`
//!   writes both to the reject files. `record_counts` counts what became of the records, and `reported_counts` adds that up
//!   for the report and holds it against the limits.

mod attempt;
mod copy_error;
mod engine_run;
mod json_copy;
mod kept_staging;
mod load_errors;
mod plan;
mod raw_records;
mod record_counts;
mod rejected_records;
mod rejects;
mod reported_counts;
mod run;

pub(crate) use run::{RedshiftRun, plan_run, run};
