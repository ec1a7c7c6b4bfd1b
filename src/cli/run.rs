//! `sparkify run`: builds a dataset from songs and logs, and loads it into a warehouse.

use std::collections::HashSet;

use super::args::location::{IncludeArgs, location_parser};
use super::args::s3::{EncryptionArgs, S3Args};
use super::args::warehouse::{IamRoleArgs, WarehouseArgs};
use super::{
    available_cores, eprint_line, help, no_effect, print, print_json, render, report_failure,
};
use crate::cli::progress::TerminalProgress;
use crate::config::{IoSizes, LoadedLogObjects, MaxRejects, RunConfig};
use crate::error::{Error, Result};
use crate::observer::Observer;
use crate::output::run_report::{REPORT_VERSION, RunReport};
use crate::output::{ParquetCompression, PublishedDataset, manifest_key};
use crate::pipeline::{self, RunFailure};
use crate::storage::{Location, StoreOpener};
use crate::warehouse::WarehouseConfig;
use crate::warehouse::load::{DatasetLoad, LoadReport, loaded_objects, loaded_runs};
use crate::warehouse::sql::load_plan::{LoadParams, load_statements, to_sql_script};

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
/// was. In s3://bucket/prefix each run writes to its own prefix below OUT, with a manifest for COPY
/// beside each table, and OUT/latest.json names the newest complete run.
///
/// Limits: a run that rejects more than --max-rejects publishes nothing, and keeps its rejects and its
/// report in OUT.failed (in S3: below the prefix of the run). So does a run without events, if OUT has
/// events or a warehouse is named, unless --allow-empty is given.
///
/// Load: with --warehouse or --config the dataset is also loaded, as by sparkify load. Log objects that
/// are already loaded are skipped then, so that a nightly run reads only the new logs.
/// SPARKIFY_WAREHOUSE alone does not make a run load.
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
    /// A folder must be absent, empty, or an earlier output.
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
    s3: S3Args,
    #[command(flatten)]
    encryption: EncryptionArgs,
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
  sparkify run --config dwh.cfg --out s3://bucket/star --quiet";

pub(super) fn main(args: RunArgs) -> Result<()> {
    let json = args.json;
    let progress = TerminalProgress::new(args.quiet);
    let result = run(args, &progress);
    progress.finish_phase();
    result.map_err(|RunFailure { error, report }| match report {
        Some(report) if json => {
            // The failure itself is more important than a failure to print it.
            let _ = print_json(&report);
            error
        }
        _ => report_failure(error, json, ("report_version", REPORT_VERSION)),
    })
}

fn run(args: RunArgs, progress: &dyn Observer) -> std::result::Result<(), RunFailure> {
    let (dry_run, json, quiet, refresh) = (args.dry_run, args.json, args.quiet, args.full_refresh);
    let (mut config, warehouse) = resolve_config(args, progress)?;
    config.validate()?;
    if let Some(warehouse) = &warehouse {
        warehouse.ensure_can_load_from(&config.out)?;
    }
    if dry_run {
        return Ok(print_dry_run(&config, warehouse.as_ref(), refresh, json)?);
    }
    // Queried even if nothing is skipped, so that a missing table is noticed before a long run.
    let known_runs = match &warehouse {
        Some(warehouse) if refresh => Some(loaded_runs(warehouse, progress)?),
        Some(warehouse) => {
            config.loaded_objects = loaded_objects(warehouse, progress)?;
            None
        }
        None => None,
    };
    let report = pipeline::run(&config, progress)?;
    progress.finish_phase();
    let out = run_location(&config.out, &report);
    if !quiet {
        eprint_line(&render::run::run_summary(&report, &out));
    }
    let load_report = warehouse.map(|warehouse| {
        load_into_warehouse(
            &config,
            &report,
            &out,
            &warehouse,
            known_runs.as_ref(),
            progress,
        )
        .map_err(|error| {
            let flag = if refresh { " --full-refresh" } else { "" };
            error.add_hint(format!(
                "the dataset is complete: load it with sparkify load --from {out}{flag}"
            ))
        })
    });
    let loaded = load_report.transpose()?;
    if let Some(load_report) = &loaded
        && !quiet
    {
        eprint_line(&format!("\n{}", render::load::load_summary(load_report)));
    }
    if json {
        print_json(&RunJson {
            report,
            load: loaded,
        })?;
    }
    Ok(())
}

/// The document that `--json` prints.
#[derive(serde::Serialize)]
struct RunJson {
    #[serde(flatten)]
    report: RunReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    load: Option<LoadReport>,
}

/// Returns the location of the dataset that a run published.
fn run_location(out: &Location, report: &RunReport) -> Location {
    match out {
        Location::S3 { .. } => out.join(&report.run),
        Location::Local(_) => out.clone(),
    }
}

fn load_into_warehouse(
    config: &RunConfig,
    report: &RunReport,
    out: &Location,
    warehouse: &WarehouseConfig,
    refresh: Option<&HashSet<String>>,
    progress: &dyn Observer,
) -> Result<LoadReport> {
    let dataset = PublishedDataset::open_store(&StoreOpener::new(config.s3.clone()), out)?;
    if dataset.report().run != report.run {
        return Err(Error::failed(format!("cannot load {out}"))
            .with_reason("another run replaced the dataset in the meantime"));
    }
    let load = DatasetLoad {
        warehouse,
        dataset: &dataset,
        runs_before_refresh: refresh,
    };
    load.execute(progress)
}

/// The document that `--dry-run --json` prints.
#[derive(serde::Serialize)]
struct DryRunJson {
    #[serde(flatten)]
    plan: pipeline::RunPlan,
    /// The SQL of the load.
    #[serde(skip_serializing_if = "Option::is_none")]
    load: Option<String>,
}

/// Prints what a run would do.
fn print_dry_run(
    config: &RunConfig,
    warehouse: Option<&WarehouseConfig>,
    refresh: bool,
    json: bool,
) -> Result<()> {
    let run_plan = pipeline::plan_run(config)?;
    let run = config.out.join("RUN");
    let params = LoadParams {
        run: "RUN",
        manifest: &|table| run.join(&manifest_key(table)).to_string(),
        has_rows: &|_| true,
    };
    let sql = warehouse.map(|warehouse| load_statements(warehouse, &params, refresh));
    let sql = sql.transpose()?.map(|steps| to_sql_script(&steps));
    if json {
        return print_json(&DryRunJson {
            plan: run_plan,
            load: sql,
        });
    }
    print(&render::dry_run::dry_run_summary(&run_plan))?;
    match (sql, warehouse) {
        (Some(sql), Some(warehouse)) => {
            print(&format!("\n-- into {}\n\n{sql}", warehouse.connection))
        }
        _ => Ok(()),
    }
}

/// Returns the configuration of the run, and the warehouse if the command line names one.
///
/// # Errors
/// Returns an error if an argument is not valid or has no effect.
fn resolve_config(
    args: RunArgs,
    progress: &dyn Observer,
) -> Result<(RunConfig, Option<WarehouseConfig>)> {
    let resolved = args.warehouse.resolve(Some(&args.iam_role), progress)?;
    let file = resolved.config_file.as_ref();
    let include = args.include;
    let input = |locations: Vec<Location>, from_file: Option<&String>, flag: &str, key: &str| {
        if !locations.is_empty() {
            return Ok(include.to_input(locations));
        }
        let path = file.map_or_else(String::new, |file| file.path.display().to_string());
        let Some(text) = from_file else {
            return Err(Error::usage(format!("{flag} is missing"))
                .with_reason(format!("{path} has no {key} in [S3]")));
        };
        let location = Location::parse(text.as_ref()).map_err(|reason| {
            Error::usage(format!("cannot use {key} of [S3] in {path}")).with_reason(reason)
        })?;
        Ok(include.to_input(vec![location]))
    };
    let song_data = file.and_then(|file| file.song_data.as_ref());
    let log_data = file.and_then(|file| file.log_data.as_ref());
    let songs = input(args.songs, song_data, "--songs", "SONG_DATA")?;
    let logs = input(args.logs, log_data, "--logs", "LOG_DATA")?;
    let locations = songs.locations.iter().chain(&logs.locations);
    args.s3.ensure_used(
        locations.chain([&args.out]),
        "neither input nor output is in S3",
    )?;
    args.encryption.ensure_used(&args.out)?;
    // A warehouse that only the environment names must not make every run load.
    let loads = args.warehouse.first_flag().is_some() || args.iam_role.is_given();
    if args.full_refresh && !loads {
        return Err(no_effect("--full-refresh", "no warehouse is named")
            .with_hint("give --warehouse or --config"));
    }
    let warehouse = match loads {
        true => Some(resolved.require()?),
        false => None,
    };
    let config = RunConfig {
        songs,
        logs,
        out: args.out,
        s3: args.encryption.apply_to(args.s3.to_options()),
        threads: args.threads.map_or_else(available_cores, usize::from),
        max_rejects: args.max_rejects,
        allow_empty: args.allow_empty,
        load_after_run: warehouse.is_some(),
        loaded_objects: LoadedLogObjects::default(),
        compression: args.compression,
        sizes: IoSizes::default(),
    };
    Ok((config, warehouse))
}
