//! Runs the benchmark that the arguments name.

use clap::Subcommand;

use super::{parse, run};
use crate::cli::help;
use crate::error::Result;

/// Benchmark throughput and stage timings
///
/// Measures each number of threads several times, in turns, after one pass that warms up the file cache
/// of the system. The result is the median.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub(crate) struct BenchCommandArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

const EXAMPLES: &str = "Examples:
  sparkify bench parse fixtures/log_data
  sparkify bench run --songs fixtures/song_data --logs fixtures/log_data";

#[derive(Debug, Subcommand)]
enum BenchCommand {
    Parse(parse::ParseBenchArgs),
    Run(run::RunBenchArgs),
}

pub(crate) fn main(args: BenchCommandArgs) -> Result<()> {
    match args.command {
        BenchCommand::Parse(args) => parse::main(args),
        BenchCommand::Run(args) => run::main(args),
    }
}
