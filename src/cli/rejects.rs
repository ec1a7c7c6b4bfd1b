//! `sparkify rejects`: shows what a run rejected.

use super::args::location::location_parser;
use super::args::s3::S3Args;
use super::help;
use super::render::rejects::rejects_summary;
use super::stdout::{print, print_json, report_failure};
use crate::error::Result;
use crate::jobs::RejectsJob;
use crate::output::reject_groups::{RejectGroupKey, RejectsReport};
use crate::storage::Location;

/// The version of the document that `--json` prints.
const REJECTS_VERSION: u32 = 1;

/// Show what a run rejected
///
/// Groups the rejects, and shows the first one of each group. OUT is the output of a run (in
/// s3://bucket/prefix: the newest complete run), one run below it, or the folder OUT.failed of a failed
/// run. The files with all rejects are in OUT/_rejects; sparkify replay tries them again.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub(super) struct RejectsArgs {
    /// Output of a run, or one run below it
    #[arg(value_name = "OUT", value_parser = location_parser())]
    out: Location,
    /// What to group by
    ///
    /// One or more of reason, key, object and kind, separated by commas. The key is the one whose value
    /// is invalid; a kind is song or log.
    #[arg(
        long,
        value_name = "KEYS",
        value_delimiter = ',',
        default_value = "reason,key"
    )]
    by: Vec<RejectGroupKey>,
    /// Print the groups as JSON on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    s3: S3Args,
}

const EXAMPLES: &str = r"Examples:
  sparkify rejects warehouse
  sparkify rejects warehouse.failed --by object
  sparkify rejects s3://bucket/star --by reason,object --json \
    | jq .total.rejects";

pub(super) fn main(args: RejectsArgs) -> Result<()> {
    let json = args.json;
    rejects(args).map_err(|error| report_failure(error, json, ("rejects_version", REJECTS_VERSION)))
}

fn rejects(args: RejectsArgs) -> Result<()> {
    args.s3.ensure_used([&args.out], "OUT is not in S3")?;
    let mut by = Vec::new();
    for key in args.by {
        if !by.contains(&key) {
            by.push(key);
        }
    }
    let job = RejectsJob {
        from: args.out,
        s3: args.s3.to_options(),
        by,
    };
    let report = job.execute()?;
    match args.json {
        true => print_json(&RejectsJson {
            rejects_version: REJECTS_VERSION,
            status: "ok",
            report: &report,
        }),
        false => print(&rejects_summary(&report, &job.by)),
    }
}

/// The document that `--json` prints.
#[derive(serde::Serialize)]
struct RejectsJson<'a> {
    rejects_version: u32,
    status: &'static str,
    #[serde(flatten)]
    report: &'a RejectsReport,
}
