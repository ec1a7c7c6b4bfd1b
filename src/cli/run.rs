//! `sparkify run`: builds a dataset from songs and logs, and loads it into a warehouse.

use super::args::engine::EngineArgs;
use super::args::location::{IncludeArgs, location_in_file, location_parser};
use super::args::monitoring::MonitoringArgs;
use super::args::s3::{EncryptionArgs, InputEncryptionArgs, S3Args};
use super::args::warehouse::{IamRoleArgs, WarehouseArgs};
use super::help;
use super::run_job::{RunMode, WatchedJob, run_job};
use super::usage_error::no_effect;
use crate::config::{Engine, MaxRejects, RunConfig};
use crate::error::{Error, Result};
use crate::input::InputSpec;
use crate::jobs::{LoadTarget, RunJob};
use crate::monitoring::MonitoredCommand;
use crate::observer::Observer;
use crate::output::ParquetCompression;
use crate::storage::Location;
use crate::warehouse::connect::config_file::{ConfigFile, ConfigValue};

/// Build a dataset from songs and logs
///
/// Input: reads all objects whose names end in .json, .jsonl, .ndjson or .ldjson, also with .gz,
/// .gzip, .bz2 or .zst, in upper or lower case; --include adds objects with other names. Compression
/// is detected from the content, not from the name. --songs and --logs take several paths, and globs,
/// in which * and ? match within a name, ** matches any number of folders, and [[] matches a [. An
/// object that several paths name is read once. Standard input is not supported: write it to a file first.
///
/// Output: OUT/TABLE/part-NNNNN.parquet for songplays, users, songs, artists and time, rejected records
/// in OUT/_rejects/*.jsonl, a report in OUT/_report.json, and in OUT/merge_state what a later load needs.
/// A local OUT is replaced in one step: a run that fails or is killed leaves the previous dataset as it
/// was. With a warehouse, and in s3://bucket/prefix, runs are kept side by side: each writes all of this
/// to OUT/RUN, in S3 with a manifest for COPY beside each table, and OUT/latest.json names the newest
/// complete run.
///
/// Limits: a run that rejects more than --max-rejects publishes nothing, and keeps its rejects and its
/// report in OUT.failed, or in OUT/RUN if runs are kept side by side. So does a run without events, if
/// OUT has events or a warehouse is named, unless --allow-empty is given.
///
/// Load: with --warehouse or --config the dataset is also loaded, as by sparkify load. Objects that are
/// already loaded are left out then, so that a nightly run reads only what is new. If no object is new,
/// nothing is written, and the run says so. SPARKIFY_WAREHOUSE alone does not make a run load.
///
/// Engines: in-process transforms the records on this machine and writes a dataset; redshift lets the
/// Redshift warehouse read the raw JSON from S3 and transform it by SQL, and writes no Parquet.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_all_exit_codes(EXAMPLES))]
pub(super) struct RunArgs {
    /// Song metadata: folder, file, S3 prefix or glob
    ///
    /// Takes several paths, and may be repeated. Quote globs, so that the shell does not expand
    /// them.
    ///
    /// [default: SONG_DATA in the --config file]
    #[arg(long, value_name = "PATH", value_parser = location_parser(), required_unless_present = "config", num_args = 1..)]
    songs: Vec<Location>,
    /// Event logs: folder, file, S3 prefix or glob
    ///
    /// Takes several paths, and may be repeated. Quote globs, so that the shell does not expand
    /// them.
    ///
    /// [default: LOG_DATA in the --config file]
    #[arg(long, value_name = "PATH", value_parser = location_parser(), required_unless_present = "config", num_args = 1..)]
    logs: Vec<Location>,
    #[command(flatten)]
    include: IncludeArgs,
    /// Output: a local folder or s3://bucket/prefix
    ///
    /// Without a warehouse, a folder must be absent, empty, or an earlier output, which is replaced.
    #[arg(long, value_name = "OUT", value_parser = location_parser())]
    out: Location,
    /// Worker threads [default: one per core]
    ///
    /// From 1 to 1024.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024),
        allow_negative_numbers = true)]
    threads: Option<u16>,
    /// Maximum rejects: count or percentage
    ///
    /// Applies to songs and to logs separately. A count such as 100 limits records; a percentage such as
    /// 0.5% limits records, bytes and objects. Above it nothing is published, and the exit code is 3.
    #[arg(
        long,
        value_name = "N|P%",
        default_value_t,
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
    /// Publish and load a dataset without events
    ///
    /// Also replaces a dataset that has events.
    #[arg(long)]
    allow_empty: bool,
    /// Show what a run would do, and write nothing
    ///
    /// Lists the input and its splits. With a warehouse also prints the SQL of the load.
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
    /// Empty the tables before the load
    ///
    /// Reads all objects, also those that are already loaded. The load empties the tables and creates
    /// missing ones in the same transaction.
    #[arg(long, help_heading = "Warehouse")]
    full_refresh: bool,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    s3: S3Args,
    #[command(flatten)]
    input_encryption: InputEncryptionArgs,
    #[command(flatten)]
    encryption: EncryptionArgs,
    #[command(flatten)]
    monitoring: MonitoringArgs,
}

const EXAMPLES: &str = r"Examples:
  sparkify run --songs fixtures/song_data --logs fixtures/log_data \
    --out warehouse
  sparkify run --songs songs --logs logs/2018/11 --out warehouse \
    --threads 8 --max-rejects 0
  sparkify run --songs songs --logs 'logs/2018-11-*' logs/2018-12-01.json \
    --out warehouse
  sparkify run --songs songs --logs logs --include 'firehose-*' --out warehouse
  sparkify run --songs songs --logs logs --out warehouse --quiet --json \
    | jq .logs.kept
  sparkify run --songs s3://bucket/song_data --logs s3://bucket/log_data \
    --out s3://bucket/star --dry-run
  sparkify run --config dwh.cfg --out s3://bucket/star --quiet
  sparkify run --config dwh.cfg --out s3://bucket/star --quiet \
    --metrics /var/lib/node_exporter/sparkify.prom
  sparkify run --engine redshift --config dwh.cfg --out s3://bucket/runs";

pub(super) fn main(mut args: RunArgs) -> Result<()> {
    let mode = RunMode {
        dry_run: args.dry_run,
        json: args.json,
        quiet: args.quiet,
    };
    let watched = WatchedJob {
        command: MonitoredCommand::Run,
        out: args.out.clone(),
        monitoring: std::mem::take(&mut args.monitoring),
    };
    run_job(&watched, mode, |progress| args.into_job(progress))
}
impl RunArgs {
    /// Returns the job that the arguments, the environment and the configuration file describe.
    ///
    /// # Errors
    /// Returns an error if an argument is not valid or has no effect.
    fn into_job(self, observer: &dyn Observer) -> Result<RunJob> {
        let aws = self.s3.to_aws_options();
        let resolved = self
            .warehouse
            .resolve(Some(&self.iam_role), &aws, observer)?;
        let file = resolved.config_file.as_ref();
        let songs_from_file = NamedInFile {
            flag: "--songs",
            key: "SONG_DATA",
            value: file.and_then(|file| file.song_data.as_ref()),
        };
        let logs_from_file = NamedInFile {
            flag: "--logs",
            key: "LOG_DATA",
            value: file.and_then(|file| file.log_data.as_ref()),
        };
        let songs = resolve_input(self.songs, &self.include, songs_from_file, file)?;
        let logs = resolve_input(self.logs, &self.include, logs_from_file, file)?;
        let inputs = songs.locations.iter().chain(&logs.locations);
        self.input_encryption.ensure_used(inputs.clone())?;
        self.s3.ensure_used_with(
            resolved.warehouse.as_ref(),
            inputs.chain([&self.out]),
            "neither input nor output is in S3",
        )?;
        self.encryption.ensure_used(&self.out)?;
        // A warehouse that only the environment names must not make every run load.
        let is_warehouse_named = self.warehouse.first_flag().is_some() || self.iam_role.is_given();
        if self.full_refresh && !is_warehouse_named {
            return Err(no_effect("--full-refresh", "no warehouse is named")
                .with_hint("give --warehouse or --config"));
        }
        let engine = self.engine.to_engine(file)?;
        if matches!(engine, Engine::Redshift(_)) {
            ensure_not_given([
                ("--threads", self.threads.is_some()),
                (
                    "--compression",
                    self.compression != ParquetCompression::default(),
                ),
            ])?;
        }
        let load = match is_warehouse_named {
            true => Some(LoadTarget {
                warehouse: resolved.require()?,
                full_refresh: self.full_refresh,
            }),
            false => None,
        };
        let s3 = self
            .input_encryption
            .apply_to(self.s3.to_options(), observer)?;
        let defaults = RunConfig::new(songs, logs, self.out);
        let config = RunConfig {
            s3: self.encryption.apply_to(s3),
            threads: self.threads.map_or(defaults.threads, usize::from),
            max_rejects: self.max_rejects,
            allow_empty: self.allow_empty,
            engine,
            compression: self.compression,
            ..defaults
        };
        Ok(RunJob { config, load })
    }
}

/// Checks that none of the flags is given that concern only a dataset that is built in this process.
fn ensure_not_given(flags: [(&'static str, bool); 2]) -> Result<()> {
    match flags.into_iter().find(|&(_, is_given)| is_given) {
        None => Ok(()),
        Some((flag, _)) => Err(no_effect(
            flag,
            "Redshift transforms the records, and no Parquet is written",
        )
        .with_hint("leave it out, or use --engine in-process")),
    }
}

/// An input that the configuration file may name in the section `[S3]`.
#[derive(Debug, Clone, Copy)]
struct NamedInFile<'a> {
    /// The flag that takes precedence.
    flag: &'static str,
    key: &'static str,
    value: Option<&'a ConfigValue>,
}

/// Returns the input at the locations of the flag or, without any, at the one that the file names.
fn resolve_input(
    locations: Vec<Location>,
    include: &IncludeArgs,
    in_file: NamedInFile<'_>,
    file: Option<&ConfigFile>,
) -> Result<InputSpec> {
    if !locations.is_empty() {
        return Ok(include.to_input(locations));
    }
    let NamedInFile { flag, key, value } = in_file;
    let Some((file, value)) = file.zip(value) else {
        let path = file.map_or_else(String::new, |file| file.path.display().to_string());
        return Err(Error::usage(format!("{flag} is missing"))
            .with_reason(format!("{path} has no {key} in [S3]")));
    };
    Ok(include.to_input(vec![location_in_file(file, key, value)?]))
}
