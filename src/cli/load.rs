//! `sparkify load`: a star that a run wrote, into a warehouse.

use std::collections::HashSet;

use super::args::location::location_parser;
use super::args::s3::S3Args;
use super::args::warehouse::WarehouseArgs;
use super::{eprint_line, print, print_json, render, report_failure};
use crate::error::{Error, Result};
use crate::output::PublishedDataset;
use crate::progress::Progress;
use crate::storage::{Location, StoreRegistry};
use crate::warehouse::load::{Load, LoadReport, loaded_runs};

/// The version of what `--json` prints.
const LOAD_VERSION: u32 = 2;

/// Load a star into a warehouse
///
/// Takes what a run wrote to OUT (below s3://bucket/prefix the newest whole run) into the tables that
/// sparkify create-tables makes, in one transaction: all of it or nothing. Stars of several runs add up,
/// in whatever order they are loaded; loading one again changes nothing. Redshift copies from S3 by itself, so
/// OUT must be there.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// What --out of a run was, or one run below it
    #[arg(long, value_name = "OUT", value_parser = location_parser())]
    from: Location,
    #[command(flatten)]
    warehouse: WarehouseArgs,
    /// Empty the tables first, and create those that were lost, in the same transaction
    #[arg(long)]
    full_refresh: bool,
    /// Load a star without any event, too
    #[arg(long)]
    allow_empty: bool,
    /// Print the SQL, without connecting to the warehouse
    #[arg(long, conflicts_with = "json")]
    dry_run: bool,
    /// Print what was done as JSON on stdout
    #[arg(long)]
    json: bool,
    /// Show no progress and no summary
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    s3: S3Args,
}

const EXAMPLES: &str = "\
Examples:
  sparkify load --from warehouse --warehouse postgres://etl@localhost/music
  sparkify load --from s3://bucket/star --config dwh.cfg
  sparkify load --from s3://bucket/star --warehouse redshift://etl@cluster.example.com:5439/dev --dry-run";

pub(super) fn main(args: Args) -> Result<()> {
    let json = args.json;
    load(&args).map_err(|error| report_failure(error, json, ("load_version", LOAD_VERSION)))
}

fn load(args: &Args) -> Result<()> {
    let progress = Progress::stderr(args.quiet);
    let warehouse = args.warehouse.resolve(&progress)?.require()?;
    warehouse.ensure_can_load_from(&args.from)?;
    let stores = StoreRegistry::new(args.s3.to_options());
    let star = PublishedDataset::open_store(&stores, &args.from)?;
    let no_runs = HashSet::new();
    let mut load = Load {
        warehouse: &warehouse,
        star: &star,
        refresh: args.full_refresh.then_some(&no_runs),
    };
    load.ensure_complete_star()?;
    if star.report().logs.has_no_events() && !args.allow_empty {
        let logs = &star.report().logs;
        return Err(Error::failed(format!("will not load {}", args.from))
            .with_reason(format!(
                "its run kept no event of {} log records ({} filtered because page is not NextSong)",
                logs.input.records, logs.filtered
            ))
            .with_hint("--allow-empty loads it all the same"));
    }
    if args.dry_run {
        return print(&load.script()?);
    }
    let known_runs = load.refresh.map(|_| loaded_runs(&warehouse, &progress));
    let known_runs = known_runs.transpose()?;
    load.refresh = known_runs.as_ref();
    let report = load.execute(&progress);
    progress.finish_phase();
    let report = report?;
    if !args.quiet {
        eprint_line(&render::load::load_summary(&report));
    }
    if args.json {
        print_json(&LoadOutput {
            load_version: LOAD_VERSION,
            status: "ok",
            report: &report,
        })?;
    }
    Ok(())
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct LoadOutput<'a> {
    load_version: u32,
    status: &'static str,
    #[serde(flatten)]
    report: &'a LoadReport,
}
