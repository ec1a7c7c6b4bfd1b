//! Tells others how a run or a load went: a file of metrics, OpenLineage events, and a message after a failure.
//!
//! [`Monitor`] stands between a job and its observer, collects what the job reports, and passes the end of the job to all
//! that were asked for. None of them can fail the job once it has begun: what goes wrong is a warning.

mod http;
mod metrics;
mod metrics_file;
mod monitor;
mod monitored_job;
mod openlineage;
mod options;
mod run_end;
mod webhook;

pub(crate) use http::HttpTarget;
pub(crate) use monitor::Monitor;
pub(crate) use monitored_job::{JobDatasets, MonitoredCommand};
pub(crate) use openlineage::{LineageOptions, LineageTarget, ParentRun};
pub(crate) use options::MonitoringOptions;
