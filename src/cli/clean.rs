//! `sparkify clean`: removes abandoned, failed and superseded runs.

use std::time::Duration;

use super::args::location::location_parser;
use super::args::s3::S3Args;
use super::help;
use super::render::clean::clean_summary;
use super::stdout::{print, print_json, report_failure};
use crate::error::Result;
use crate::jobs::CleanJob;
use crate::storage::Location;

/// The version of the document that `--json` prints.
const CLEAN_VERSION: u32 = 2;

/// Remove abandoned, failed and superseded runs
///
/// In s3://bucket/prefix, and in a folder that keeps runs with a warehouse side by side, removes runs that
/// were never finished, all complete runs except the newest, and all runs that failed and keep only their
/// rejects, except the newest. Rejects are removed with their run. For any other folder, removes what a killed or failed run left beside it. Without --yes, only
/// shows what would be removed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub(super) struct CleanArgs {
    /// Output of the runs: their --out
    #[arg(value_name = "OUT", value_parser = location_parser())]
    out: Location,
    /// Complete and failed runs to keep
    ///
    /// Keeps the runs that were published last, and those that failed last. The run that latest.json names
    /// is always kept.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,
    /// Hours until an idle run is abandoned
    ///
    /// An unfinished run is removed after H hours without a new object or upload, but never within a quarter
    /// of an hour.
    #[arg(long, value_name = "H", default_value_t = 24)]
    unfinished_after: u32,
    /// Remove the runs instead of showing them
    #[arg(long)]
    yes: bool,
    /// Print the runs as JSON on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    s3: S3Args,
}

const EXAMPLES: &str = "Examples:
  sparkify clean warehouse --yes
  sparkify clean s3://bucket/star
  sparkify clean s3://bucket/star --keep 7 --unfinished-after 48 --yes";

pub(super) fn main(args: CleanArgs) -> Result<()> {
    let json = args.json;
    clean(args).map_err(|error| report_failure(error, json, ("clean_version", CLEAN_VERSION)))
}

fn clean(args: CleanArgs) -> Result<()> {
    args.s3.ensure_used([&args.out], "OUT is not in S3")?;
    let job = CleanJob {
        s3: args.s3.to_options(),
        out: args.out,
        keep: args.keep as usize,
        unfinished_after: Duration::from_secs(u64::from(args.unfinished_after) * 3600),
    };
    let plan = job.plan()?;
    let text = match args.json {
        true => None,
        false => Some(clean_summary(&plan, &job.out, args.yes)),
    };
    let value = serde_json::json!({
        "clean_version": CLEAN_VERSION,
        "status": "ok",
        "removed": args.yes,
        "remove": plan.remove,
        "keep": plan.keep,
    });
    if args.yes {
        job.execute(plan)?;
    }
    match text {
        Some(text) => print(&text),
        None => print_json(&value),
    }
}
