//! `sparkify infra down`: removes a warehouse.

use super::aws_args::AwsArgs;
use crate::cli::help;

/// Remove a warehouse and everything around it
///
/// Shows what goes, asks, takes a final snapshot, removes the stack, and checks that nothing is left that
/// costs money. Snapshots are kept until --delete-snapshots. Buckets are not touched.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
#[cfg_attr(not(feature = "cloud"), allow(dead_code, reason = "only parsed"))]
pub(super) struct DownArgs {
    /// Take no final snapshot: the data are lost
    #[arg(long)]
    no_final_snapshot: bool,
    /// Name of the final snapshot
    ///
    /// [default: STACK-final-TIME]
    #[arg(long, value_name = "NAME", conflicts_with = "no_final_snapshot")]
    final_snapshot: Option<String>,
    /// Delete the final snapshots, too
    ///
    /// Also after the stack is removed.
    #[arg(long, requires = "no_final_snapshot")]
    delete_snapshots: bool,
    /// Leave a resource whose removal failed
    ///
    /// Its name in the template. Only after a removal has failed. May be repeated.
    #[arg(long, value_name = "RESOURCE")]
    retain: Vec<String>,
    /// Go on without confirmation
    #[arg(long)]
    yes: bool,
    /// Print the result as JSON on stdout
    #[arg(long)]
    json: bool,
    /// Show no plan, progress and summary
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    aws: AwsArgs,
}

const EXAMPLES: &str = "Examples:
  sparkify infra down
  sparkify infra down --stack nightly --final-snapshot nightly-2026-06 --yes
  sparkify infra down --no-final-snapshot --delete-snapshots";

#[cfg(feature = "cloud")]
pub(super) fn main(args: DownArgs) -> crate::error::Result<()> {
    use super::ask::Consent;
    use super::render;
    use crate::cli::console::print_info;
    use crate::cli::progress::TerminalProgress;
    use crate::cli::stdout::{print_json, report_failure};
    use crate::jobs::{FinalSnapshot, InfraDownJob};

    let job = InfraDownJob {
        aws: args.aws.to_options(),
        stack: args.aws.stack,
        final_snapshot: match (args.no_final_snapshot, args.final_snapshot) {
            (true, _) => FinalSnapshot::None,
            (false, Some(name)) => FinalSnapshot::Named(name),
            (false, None) => FinalSnapshot::Default,
        },
        delete_snapshots: args.delete_snapshots,
        retained: args.retain,
    };
    let consent = Consent {
        yes: args.yes,
        quiet: args.quiet,
    };
    let progress = TerminalProgress::new(args.quiet);
    let report = job
        .execute(&|question| consent.ask(question), &progress)
        .map_err(|error| report_failure(error, args.json, render::VERSION))?;
    if !args.quiet {
        print_info(&render::down_summary(&report));
    }
    match args.json {
        true => print_json(&render::down_json(&report)),
        false => Ok(()),
    }
}
