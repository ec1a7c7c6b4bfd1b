//! `sparkify infra pause` and `resume`.

use super::aws_args::AwsArgs;
use crate::cli::help;

/// Pause a cluster, which costs only storage then
///
/// Waits until the cluster is paused. A Serverless warehouse costs nothing while no query runs, so that
/// there is nothing to pause.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(PAUSE_EXAMPLES))]
pub(super) struct PauseArgs {
    #[command(flatten)]
    pub(super) target: PauseTarget,
}

/// Resume a cluster that is paused
///
/// Waits until the cluster is available. It costs money every hour from then on.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(RESUME_EXAMPLES))]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    pub(super) target: PauseTarget,
}

/// What is paused or resumed.
#[derive(Debug, clap::Args)]
#[cfg_attr(not(feature = "cloud"), allow(dead_code, reason = "only parsed"))]
pub(super) struct PauseTarget {
    /// Print the result as JSON on stdout
    #[arg(long)]
    json: bool,
    /// Show no progress and no summary
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    aws: AwsArgs,
}

const PAUSE_EXAMPLES: &str = "Examples:
  sparkify infra pause
  sparkify infra pause --stack nightly";

const RESUME_EXAMPLES: &str = "Examples:
  sparkify infra resume
  sparkify infra resume --stack nightly";

#[cfg(feature = "cloud")]
pub(super) fn main(args: PauseTarget, resume: bool) -> crate::error::Result<()> {
    use super::render;
    use crate::cli::console::print_info;
    use crate::cli::progress::TerminalProgress;
    use crate::cli::stdout::{print_json, report_failure};
    use crate::jobs::InfraPauseJob;

    let job = InfraPauseJob {
        aws: args.aws.to_options(),
        stack: args.aws.stack,
        resume,
    };
    let report = job
        .execute(&TerminalProgress::new(args.quiet))
        .map_err(|error| report_failure(error, args.json, render::VERSION))?;
    if !args.quiet {
        print_info(&render::pause_summary(&report));
    }
    match args.json {
        true => print_json(&render::pause_json(&report)),
        false => Ok(()),
    }
}
