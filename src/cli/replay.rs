//! `sparkify replay`: tries the rejects of a run again.

use super::args::location::location_parser;
use super::args::monitoring::MonitoringArgs;
use super::args::s3::{EncryptionArgs, S3Args};
use super::args::warehouse::{IamRoleArgs, WarehouseArgs};
use super::help;
use super::run_job::{RunMode, WatchedJob, run_job};
use crate::config::{MaxRejects, ReplayInput, RunConfig};
use crate::error::Result;
use crate::jobs::{LoadTarget, RunJob};
use crate::monitoring::MonitoredCommand;
use crate::observer::Observer;
use crate::output::ParquetCompression;
use crate::storage::Location;

/// Try the rejects of a run again
///
/// Reads the text of each reject of the run in OUT as if it were a small object: as it is, after a limit
/// has changed, or as it was edited in a copy of the reject file. What passes becomes a dataset in NEW,
/// and with --warehouse or --config it is loaded: it merges as if the records had been right from the
/// start, whatever was loaded since. Replaying twice changes nothing.
///
/// Editing: copy a file of OUT/_rejects, change `text` in its lines, remove the lines that are to stay
/// rejected, and name the copy with --edited. Only its lines are replayed then. A text may contain any
/// number of records. Write `text` in place of `text_base64`, and remove `truncated` from a line whose
/// text is complete.
///
/// What fails again is in the rejects of NEW, with the object, line and offset where it was rejected
/// first. So are rejects whose text is cut or absent, which cannot be replayed. If all fail, nothing is
/// published, and the exit code is 3.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_all_exit_codes(EXAMPLES))]
pub(super) struct ReplayArgs {
    /// Output of the run: its --out, or one run below it
    ///
    /// Also what a failed run left: OUT.failed, or OUT/RUN where runs are kept side by side.
    #[arg(long, value_name = "OUT", value_parser = location_parser())]
    from: Location,
    /// Edited copy of a reject file
    ///
    /// A local file or an S3 URL. May be repeated.
    #[arg(long, value_name = "FILE", value_parser = location_parser())]
    edited: Vec<Location>,
    /// Output: a local folder or s3://bucket/prefix
    ///
    /// Without a warehouse, a folder must be absent, empty, or the output of an earlier replay; with one, the
    /// replay is kept beside the runs, as for sparkify run.
    #[arg(long, value_name = "NEW", value_parser = location_parser())]
    out: Location,
    /// Worker threads [default: one per core]
    ///
    /// From 1 to 1024.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024),
        allow_negative_numbers = true)]
    threads: Option<u16>,
    /// Maximum rejects: count or percent
    ///
    /// Applies to songs and to logs separately. Above it nothing is published, and the exit code is 3.
    #[arg(
        long,
        value_name = "N|P%",
        default_value = "100%",
        allow_negative_numbers = true
    )]
    max_rejects: MaxRejects,
    /// Codec of the Parquet files
    ///
    /// One of snappy (fast), zstd (smaller), gzip (for readers that support neither) and none. Amazon
    /// documents snappy and gzip for COPY into Redshift, but not zstd.
    #[arg(
        long,
        value_name = "CODEC",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    compression: ParquetCompression,
    /// Show what a replay would do, and write nothing
    ///
    /// Reads the rejects and checks the edited files. With a warehouse also prints the SQL of the load.
    #[arg(long)]
    dry_run: bool,
    /// Print the report as JSON on stdout
    #[arg(long)]
    json: bool,
    /// Show no progress and no summary
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    warehouse: WarehouseArgs,
    #[command(flatten)]
    iam_role: IamRoleArgs,
    #[command(flatten)]
    s3: S3Args,
    #[command(flatten)]
    encryption: EncryptionArgs,
    #[command(flatten)]
    monitoring: MonitoringArgs,
}

const EXAMPLES: &str = r"Examples:
  sparkify replay --from warehouse --out replayed
  sparkify replay --from warehouse.failed --edited fixed.jsonl --out replayed \
    --warehouse postgres://etl@localhost/music
  sparkify replay --from s3://bucket/star --edited fixed.jsonl \
    --out s3://bucket/star --config dwh.cfg";

pub(super) fn main(mut args: ReplayArgs) -> Result<()> {
    let mode = RunMode {
        dry_run: args.dry_run,
        json: args.json,
        quiet: args.quiet,
    };
    let watched = WatchedJob {
        command: MonitoredCommand::Replay,
        out: args.out.clone(),
        monitoring: std::mem::take(&mut args.monitoring),
    };
    run_job(&watched, mode, |progress| args.into_job(progress))
}

impl ReplayArgs {
    /// Returns the job that the arguments, the environment and the configuration file describe.
    ///
    /// # Errors
    /// Returns an error if an argument is not valid or has no effect.
    fn into_job(self, observer: &dyn Observer) -> Result<RunJob> {
        let aws = self.s3.to_aws_options();
        let resolved = self
            .warehouse
            .resolve(Some(&self.iam_role), &aws, observer)?;
        let inputs = self.edited.iter().chain([&self.from]);
        self.s3.ensure_used_with(
            resolved.warehouse.as_ref(),
            inputs.chain([&self.out]),
            "neither input nor output is in S3",
        )?;
        self.encryption.ensure_used(&self.out)?;
        // A warehouse that only the environment names must not make every replay load.
        let is_warehouse_named = self.warehouse.first_flag().is_some() || self.iam_role.is_given();
        let load = match is_warehouse_named {
            true => Some(LoadTarget {
                warehouse: resolved.require()?,
                full_refresh: false,
            }),
            false => None,
        };
        let rejects = ReplayInput {
            from: self.from,
            edited: self.edited,
        };
        let defaults = RunConfig::replay(rejects, self.out);
        let config = RunConfig {
            s3: self.encryption.apply_to(self.s3.to_options()),
            threads: self.threads.map_or(defaults.threads, usize::from),
            max_rejects: self.max_rejects,
            compression: self.compression,
            ..defaults
        };
        Ok(RunJob { config, load })
    }
}
