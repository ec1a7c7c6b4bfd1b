//! `sparkify history`: lists the loads of a warehouse, or the runs at an output location.

use super::args::location::location_parser;
use super::args::s3::S3Args;
use super::args::warehouse::WarehouseArgs;
use super::help;
use super::history_source::{HistoryWords, history_source};
use super::progress::TerminalProgress;
use super::render::history::history_table;
use super::stdout::{print, print_json, report_failure};
use crate::error::Result;
use crate::jobs::{History, HistoryJob, HistorySource};
use crate::storage::Location;

/// The version of the document that `--json` prints.
const HISTORY_VERSION: u32 = 1;

/// List what was loaded into a warehouse, or run
///
/// Lists the loads of a warehouse, or with --from the runs at an output location: when, how many song and
/// log objects, how many events and rejected records, how long it took, and who did it. The newest comes
/// first. All times are UTC. A - is what is not known, for example because an older version did not record it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub(super) struct HistoryArgs {
    /// List the runs at this output, not loads
    ///
    /// The --out of runs: a prefix or a folder that keeps runs side by side, or the folder of one dataset.
    #[arg(long, value_name = "OUT", value_parser = location_parser())]
    from: Option<Location>,
    /// Maximum number of loads or runs
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print the list as JSON on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    warehouse: WarehouseArgs,
    #[command(flatten)]
    s3: S3Args,
}

const EXAMPLES: &str = r"Examples:
  sparkify history --warehouse postgres://etl@localhost/music
  sparkify history --from s3://bucket/star --limit 5
  sparkify history --config dwh.cfg --json | jq '.runs[0].rejected_records'";

pub(super) fn main(args: HistoryArgs) -> Result<()> {
    let json = args.json;
    history(args).map_err(|error| report_failure(error, json, ("history_version", HISTORY_VERSION)))
}

fn history(args: HistoryArgs) -> Result<()> {
    let progress = TerminalProgress::new(true);
    let words = HistoryWords {
        does: "lists",
        to_do: "list",
        result: "history",
    };
    let job = HistoryJob {
        limit: args.limit,
        source: history_source(args.from, &args.warehouse, &args.s3, words, &progress)?,
    };
    let history = job.execute(&progress)?;
    let place = match &job.source {
        HistorySource::Warehouse(connection) => connection.to_string(),
        HistorySource::Output { out, .. } => out.to_string(),
    };
    if !args.json {
        return print(&history_table(&history, &place));
    }
    let runs = match &history {
        History::Loads(loads) => serde_json::json!({"warehouse": place, "runs": loads}),
        History::Runs(runs) => serde_json::json!({"from": place, "runs": runs}),
    };
    let mut document = serde_json::json!({"history_version": HISTORY_VERSION, "status": "ok"});
    if let (Some(document), serde_json::Value::Object(runs)) = (document.as_object_mut(), runs) {
        document.extend(runs);
    }
    print_json(&document)
}
