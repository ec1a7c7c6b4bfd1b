//! Benchmarks the pipeline: the same work with several numbers of threads, several times each.
//!
//! A benchmark is not part of the data path. It calls [`pipeline`](crate::pipeline) as a run does. One pass
//! that is not measured warms the system's file cache. Then all numbers of threads take turns, so that other
//! load on the machine affects all of them alike.
//!
//! `parse` measures JSON to Arrow alone, and `end_to_end` the complete job with its output in a temporary folder.
//! `amdahl` computes how far more cores could speed up the job. `passes` repeats the work.

mod amdahl;
mod end_to_end;
mod parse;
mod passes;

pub(crate) use amdahl::{SerialFraction, SpeedupBound};
pub(crate) use end_to_end::{RunBenchReport, RunMeasurement, bench_run};
pub(crate) use parse::{ParseBenchReport, bench_parse};
pub(crate) use passes::{BENCH_VERSION, BenchOptions, ThroughputSample};
