//! `sparkify infra status`: shows a warehouse and what it costs.

use super::aws_args::AwsArgs;
use crate::cli::help;

/// Show the warehouse and what it costs
///
/// The stack, the warehouse with its endpoint and capacity, the usage limit, the cost of an hour as it is
/// now, and the final snapshots that are left. Exits with 1 if the stack has failed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
#[cfg_attr(not(feature = "cloud"), allow(dead_code, reason = "only parsed"))]
pub(super) struct InfraStatusArgs {
    /// Print the status as JSON on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    aws: AwsArgs,
}

const EXAMPLES: &str = "Examples:
  sparkify infra status
  sparkify infra status --stack nightly --json | jq .warehouse.status";

/// Prints the status. The exit code tells whether the stack has failed.
#[cfg(feature = "cloud")]
pub(super) fn main(args: InfraStatusArgs) -> crate::error::Result<std::process::ExitCode> {
    use super::render;
    use crate::cli::stdout::{print, print_json, report_failure};
    use crate::jobs::InfraStatusJob;

    let job = InfraStatusJob {
        aws: args.aws.to_options(),
        stack: args.aws.stack,
    };
    let status = job
        .execute()
        .map_err(|error| report_failure(error, args.json, render::VERSION))?;
    match args.json {
        true => print_json(&render::status_json(&status))?,
        false => print(&render::status_text(&status))?,
    }
    Ok(std::process::ExitCode::from(u8::from(status.is_failed)))
}
