//! `sparkify load`: loads a published dataset into a warehouse.

use std::collections::HashSet;

use super::args::location::location_parser;
use super::args::s3::S3Args;
use super::args::warehouse::{IamRoleArgs, WarehouseArgs};
use super::{eprint_line, help, print, print_json, render, report_failure};
use crate::cli::progress::TerminalProgress;
use crate::error::{Error, Result};
use crate::observer::Observer;
use crate::output::PublishedDataset;
use crate::storage::{Location, StoreOpener};
use crate::warehouse::load::{DatasetLoad, LoadReport, loaded_runs};

/// The version of the document that `--json` prints.
const LOAD_VERSION: u32 = 2;

/// Load a published dataset into a warehouse
///
/// Loads the dataset that a run published in OUT (in s3://bucket/prefix: the newest complete run) into
/// the tables that sparkify create-tables creates, in one transaction. Loads merge by content: the
/// datasets of several runs add up in any order, and loading one twice changes nothing. Redshift reads
/// the dataset itself by COPY, so OUT must be in S3 for Redshift.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub(super) struct LoadArgs {
    /// Output of a run: its --out, or one run below it
    #[arg(long, value_name = "OUT", value_parser = location_parser())]
    from: Location,
    /// Load a dataset without events
    #[arg(long)]
    allow_empty: bool,
    /// Print the SQL without connecting
    #[arg(long, conflicts_with = "json")]
    dry_run: bool,
    /// Print the result as JSON on stdout
    #[arg(long)]
    json: bool,
    /// Show no progress and no summary
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    warehouse: WarehouseArgs,
    #[command(flatten)]
    iam_role: IamRoleArgs,
    /// Empty the tables before the load
    ///
    /// The load empties the tables and creates missing ones in the same transaction.
    #[arg(long, help_heading = "Warehouse")]
    full_refresh: bool,
    #[command(flatten)]
    s3: S3Args,
}

const EXAMPLES: &str = r"Examples:
  sparkify load --from warehouse \
    --warehouse postgres://etl@localhost/music
  sparkify load --from s3://bucket/star --config dwh.cfg
  sparkify load --from s3://bucket/star \
    --warehouse redshift://etl@cluster.example.com:5439/dev --dry-run";

pub(super) fn main(args: LoadArgs) -> Result<()> {
    let json = args.json;
    load(&args).map_err(|error| report_failure(error, json, ("load_version", LOAD_VERSION)))
}

fn load(args: &LoadArgs) -> Result<()> {
    let progress = TerminalProgress::new(args.quiet);
    args.s3.ensure_used([&args.from], "--from is not in S3")?;
    let warehouse = args.warehouse.resolve(Some(&args.iam_role), &progress)?;
    let warehouse = warehouse.require()?;
    warehouse.ensure_can_load_from(&args.from)?;
    let stores = StoreOpener::new(args.s3.to_options());
    let dataset = PublishedDataset::open_store(&stores, &args.from)?;
    let no_runs = HashSet::new();
    let mut load = DatasetLoad {
        warehouse: &warehouse,
        dataset: &dataset,
        runs_before_refresh: args.full_refresh.then_some(&no_runs),
    };
    load.ensure_dataset_is_complete()?;
    if dataset.report().logs.has_no_events() && !args.allow_empty {
        let logs = &dataset.report().logs;
        return Err(Error::failed(format!("will not load {}", args.from))
            .with_reason(format!(
                "its run kept none of {} log records ({} filtered: page is not NextSong)",
                logs.input.records, logs.filtered
            ))
            .with_hint("use --allow-empty to load it anyway"));
    }
    if args.dry_run {
        return print(&load.script()?);
    }
    let known_runs = load
        .runs_before_refresh
        .map(|_| loaded_runs(&warehouse, &progress));
    let known_runs = known_runs.transpose()?;
    load.runs_before_refresh = known_runs.as_ref();
    let report = load.execute(&progress);
    progress.finish_phase();
    let report = report?;
    if !args.quiet {
        eprint_line(&render::load::load_summary(&report));
    }
    if args.json {
        print_json(&LoadJson {
            load_version: LOAD_VERSION,
            status: "ok",
            report: &report,
        })?;
    }
    Ok(())
}

/// The document that `--json` prints.
#[derive(serde::Serialize)]
struct LoadJson<'a> {
    load_version: u32,
    status: &'static str,
    #[serde(flatten)]
    report: &'a LoadReport,
}
