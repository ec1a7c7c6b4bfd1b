//! `sparkify check`: verifies a published dataset.

use super::args::location::location_parser;
use super::args::s3::S3Args;
use super::help;
use super::render::check::check_summary;
use super::stdout::{print, print_json, report_failure};
use crate::error::Result;
use crate::jobs::CheckJob;
use crate::report::CheckReport;
use crate::storage::Location;

/// The version of the document that `--json` prints.
const CHECK_VERSION: u32 = 1;

/// Verify a published dataset as a reader would
///
/// Checks the dataset that a run published in OUT (if it keeps runs side by side: the newest complete
/// run): that all files are there and no others, in S3 also by the manifests for COPY; that every page
/// decodes; columns, types, codec and numbers of rows; that keys are unique and references resolve; the
/// parts of times; and the rejects. Changes nothing. The first thing that is wrong ends the check.
///
/// Takes about 30 bytes of memory for each play. Files in S3 are copied to TMPDIR,
/// one for each core at a time.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub(super) struct CheckArgs {
    /// Output of a run: its --out, or one run below it
    #[arg(long, value_name = "OUT", value_parser = location_parser())]
    from: Location,
    /// Print the result as JSON on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    s3: S3Args,
}

const EXAMPLES: &str = "Examples:
  sparkify check --from warehouse
  sparkify check --from s3://bucket/star --json";

pub(super) fn main(args: CheckArgs) -> Result<()> {
    let json = args.json;
    check(args).map_err(|error| report_failure(error, json, ("check_version", CHECK_VERSION)))
}

fn check(args: CheckArgs) -> Result<()> {
    args.s3.ensure_used([&args.from], "OUT is not in S3")?;
    let job = CheckJob {
        s3: args.s3.to_options(),
        from: args.from,
    };
    let report = job.execute()?;
    match args.json {
        true => print_json(&CheckJson {
            check_version: CHECK_VERSION,
            status: "ok",
            report: &report,
        }),
        false => print(&check_summary(&report)),
    }
}

/// The document that `--json` prints.
#[derive(serde::Serialize)]
struct CheckJson<'a> {
    check_version: u32,
    status: &'static str,
    #[serde(flatten)]
    report: &'a CheckReport,
}
