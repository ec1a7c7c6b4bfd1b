//! `sparkify load`: loads a published dataset into a warehouse.

use super::args::location::location_parser;
use super::args::monitoring::MonitoringArgs;
use super::args::s3::S3Args;
use super::args::warehouse::{IamRoleArgs, WarehouseArgs};
use super::console::print_load_summary;
use super::help;
use super::progress::TerminalProgress;
use super::stdout::{print, print_json, report_failure};
use crate::error::Result;
use crate::interrupt::{CanStop, set_leftovers};
use crate::jobs::{LoadJob, LoadTarget};
use crate::monitoring::{JobDatasets, Monitor, MonitoredCommand};
use crate::observer::Observer;
use crate::storage::Location;
use crate::warehouse::load::LoadReport;

/// The version of the document that `--json` prints.
const LOAD_VERSION: u32 = 2;

/// Load a published dataset into a warehouse
///
/// Loads the dataset that a run published in OUT (if it keeps runs side by side: the newest complete run)
/// into the tables that sparkify create-tables creates, in one transaction. Loads merge by content: the
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
    #[command(flatten)]
    monitoring: MonitoringArgs,
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
    let options = args.monitoring.to_options(&progress)?;
    if args.dry_run {
        return print(&args.to_job(&progress)?.script()?);
    }
    set_leftovers(
        "the connection is closed, and the warehouse rolls the transaction back",
        CanStop::Yes,
    );
    let monitor = Monitor::open(options, MonitoredCommand::Load, &args.from, &progress)?;
    let result = execute(args, &monitor);
    monitor.end(result.as_ref().err());
    result
}

fn execute(args: &LoadArgs, monitor: &Monitor<'_>) -> Result<()> {
    let job = args.to_job(monitor)?;
    monitor.job_started(JobDatasets::from(&job));
    let report = job.execute(monitor)?;
    monitor.record_load(&report);
    if !args.quiet {
        print_load_summary(&report);
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

impl LoadArgs {
    /// Returns the job that the arguments, the environment and the configuration file describe.
    ///
    /// # Errors
    /// Returns an error if an argument is not valid or has no effect.
    fn to_job(&self, observer: &dyn Observer) -> Result<LoadJob> {
        let aws = self.s3.to_aws_options();
        let resolved = self
            .warehouse
            .resolve(Some(&self.iam_role), &aws, observer)?;
        let warehouse = resolved.warehouse.as_ref();
        self.s3
            .ensure_used_with(warehouse, [&self.from], "--from is not in S3")?;
        Ok(LoadJob {
            from: self.from.clone(),
            s3: self.s3.to_options(),
            target: LoadTarget {
                warehouse: resolved.require()?,
                full_refresh: self.full_refresh,
            },
            allow_empty: self.allow_empty,
        })
    }
}

/// The document that `--json` prints.
#[derive(serde::Serialize)]
struct LoadJson<'a> {
    load_version: u32,
    status: &'static str,
    #[serde(flatten)]
    report: &'a LoadReport,
}
