//! `sparkify bench`: benchmarks throughput and stage timings on this machine.

mod command;
mod parse;
mod run;
mod shared_args;
mod throughput;

pub(super) use command::{BenchCommandArgs, main};
