//! `sparkify run`: songs and logs to a star, and the star into a warehouse.

use std::collections::HashSet;

use super::args::location::{IncludeArgs, location_parser};
use super::args::s3::{EncryptionArgs, S3Args};
use super::args::warehouse::WarehouseArgs;
use super::{available_cores, eprint_line, print, print_json, render, report_failure};
use crate::config::{LoadedObjects, MaxRejects, RunConfig, Sizes};
use crate::error::{Error, Result};
use crate::output::report::{REPORT_VERSION, Report};
use crate::output::{Compression, PublishedDataset, manifest_key};
use crate::pipeline::{self, RunFailure};
use crate::progress::Progress;
use crate::storage::{Location, StoreRegistry};
use crate::warehouse::Warehouse;
use crate::warehouse::load::{Load, LoadReport, loaded_objects, loaded_runs};
use crate::warehouse::sql::load_plan::{LoadParams, load_statements, to_sql_script};

/// Build the star from songs and logs
///
/// Reads all .json, .jsonl, .ndjson and .ldjson objects (also .gz, .gzip, .bz2, .zst), in any case of
/// letters. What is in an object counts, not its name: compressed objects are decompressed whatever they
/// are called. --songs and --logs take several places and globs: * and ? match within a name, ** any
/// number of folders, [[] a [. Quote them, or the shell resolves them. What two of them name is read
/// once. --include reads objects with other names too. Standard input cannot be read: write it to a file
/// first.
///
/// Writes
/// OUT/TABLE/part-NNNNN.parquet for songplays, users, songs, artists and time, rejected records as
/// OUT/_rejects/*.jsonl and a report as OUT/_report.json. A folder OUT is replaced as one step: a run
/// that fails or is killed leaves what was there before. In s3://bucket/prefix each run writes to a
/// prefix of its own below OUT, with a manifest for COPY beside each table, and OUT/latest.json names the
/// newest whole run. OUT/ledger is what a later load needs to know of this one.
///
/// A run that rejects more than --max-rejects tolerates publishes nothing, and keeps its rejects and a report
/// in OUT.failed (in S3 below the prefix of the run). So does one that keeps no event where OUT has some, or
/// that is to be loaded, unless --allow-empty.
///
/// With --warehouse or --config the star is loaded there too, as sparkify load does. Log objects that were
/// loaded before are left out then, so that a nightly run takes what is new.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Folder, file, s3://bucket/prefix or quoted glob with song metadata; may be repeated [default:
    /// SONG_DATA of --config]
    #[arg(long, value_name = "PATH", value_parser = location_parser(), required_unless_present = "config", num_args = 1..)]
    songs: Vec<Location>,
    /// Folder, file, s3://bucket/prefix or quoted glob with log events; may be repeated [default:
    /// LOG_DATA of --config]
    #[arg(long, value_name = "PATH", value_parser = location_parser(), required_unless_present = "config", num_args = 1..)]
    logs: Vec<Location>,
    #[command(flatten)]
    include: IncludeArgs,
    /// Folder to write (absent, empty, or an earlier output), or s3://bucket/prefix
    #[arg(long, value_name = "OUT", value_parser = location_parser())]
    out: Location,
    /// Worker threads, at most 1024 [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024),
        allow_negative_numbers = true)]
    threads: Option<u16>,
    /// Rejects to tolerate, of songs and of logs each: a count of records, or a percentage of the records,
    /// of the bytes and of the objects. Past it nothing is published, and the exit code is 3
    #[arg(
        long,
        value_name = "N|P%",
        default_value_t,
        allow_negative_numbers = true
    )]
    max_rejects: MaxRejects,
    /// Codec of the Parquet files; Redshift's documentation does not name zstd
    #[arg(long, value_name = "CODEC", value_enum, default_value_t)]
    compression: Compression,
    /// Publish and load a star without any event, too, even in place of one that has some
    #[arg(long)]
    allow_empty: bool,
    /// List the input and say what would be done, without writing anything
    #[arg(long)]
    dry_run: bool,
    /// Load everything, also what was loaded before: in the same transaction the tables are emptied, and those
    /// that were lost are created
    #[arg(long)]
    full_refresh: bool,
    /// Print the report as JSON on stdout
    #[arg(long)]
    json: bool,
    /// Show no progress and no summary
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    warehouse: WarehouseArgs,
    #[command(flatten)]
    s3: S3Args,
    #[command(flatten)]
    encryption: EncryptionArgs,
}

const EXAMPLES: &str = "\
Examples:
  sparkify run --songs fixtures/song_data --logs fixtures/log_data --out warehouse
  sparkify run --songs songs --logs logs/2018/11 --out warehouse --threads 8 --max-rejects 0
  sparkify run --songs songs --logs 'logs/2018-11-*' logs/2018-12-01.json --out warehouse
  sparkify run --songs songs --logs logs --include 'firehose-*' --out warehouse
  sparkify run --songs songs --logs logs --out warehouse --quiet --json | jq .logs.kept
  sparkify run --songs s3://bucket/song_data --logs s3://bucket/log_data --out s3://bucket/star --dry-run

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 too many rejects.";

pub(super) fn main(args: Args) -> Result<()> {
    let json = args.json;
    let progress = Progress::stderr(args.quiet);
    let result = run(args, &progress);
    progress.finish_phase();
    result.map_err(|RunFailure { error, report }| match report {
        Some(report) if json => {
            // The failure itself matters more than that it cannot be printed.
            let _ = print_json(&report);
            error
        }
        _ => report_failure(error, json, ("report_version", REPORT_VERSION)),
    })
}

fn run(args: Args, progress: &Progress) -> std::result::Result<(), RunFailure> {
    let (dry_run, json, quiet, refresh) = (args.dry_run, args.json, args.quiet, args.full_refresh);
    let (mut config, warehouse) = resolve_config(args, progress)?;
    config.validate()?;
    if let Some(warehouse) = &warehouse {
        warehouse.ensure_can_load_from(&config.out)?;
    }
    if dry_run {
        return Ok(print_dry_run(&config, warehouse.as_ref(), refresh, json)?);
    }
    // Looked at even if nothing is to be left out: a long run should not be what finds a table missing.
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
                "the star itself is whole: sparkify load --from {out}{flag} loads it"
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
        print_json(&RunOutput {
            report,
            load: loaded,
        })?;
    }
    Ok(())
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct RunOutput {
    #[serde(flatten)]
    report: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    load: Option<LoadReport>,
}

/// Where the star of a run is.
fn run_location(out: &Location, report: &Report) -> Location {
    match out {
        Location::S3 { .. } => out.join(&report.run),
        Location::Local(_) => out.clone(),
    }
}

fn load_into_warehouse(
    config: &RunConfig,
    report: &Report,
    out: &Location,
    warehouse: &Warehouse,
    refresh: Option<&HashSet<String>>,
    progress: &Progress,
) -> Result<LoadReport> {
    let star = PublishedDataset::open_store(&StoreRegistry::new(config.s3.clone()), out)?;
    if star.report().run != report.run {
        return Err(Error::failed(format!("cannot load {out}"))
            .with_reason("another run has replaced the star meanwhile"));
    }
    let load = Load {
        warehouse,
        star: &star,
        refresh,
    };
    load.execute(progress)
}

/// What `--dry-run --json` prints.
#[derive(serde::Serialize)]
struct DryRunOutput {
    #[serde(flatten)]
    plan: pipeline::RunPlan,
    /// The SQL of the load.
    #[serde(skip_serializing_if = "Option::is_none")]
    load: Option<String>,
}

/// Says what a run would do.
fn print_dry_run(
    config: &RunConfig,
    warehouse: Option<&Warehouse>,
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
        return print_json(&DryRunOutput {
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

/// What to do, and the warehouse to load if one is named.
fn resolve_config(args: Args, progress: &Progress) -> Result<(RunConfig, Option<Warehouse>)> {
    let resolved = args.warehouse.resolve(progress)?;
    let file = resolved.config_file.as_ref();
    let config_songs = file.and_then(|file| file.song_data.as_deref());
    let config_logs = file.and_then(|file| file.log_data.as_deref());
    let include = args.include;
    let input = |locations: Vec<Location>, config_location: Option<&str>, argument, key| {
        if !locations.is_empty() {
            return Ok(include.to_input(locations));
        }
        let Some(text) = config_location else {
            return Err(Error::usage(format!("no {argument} is given"))
                .with_reason(format!("--config has no {key} in [S3]")));
        };
        let invalid =
            |why: String| Error::usage(format!("cannot use {key} of --config")).with_reason(why);
        let place = Location::parse(text.as_ref()).map_err(invalid)?;
        Ok(include.to_input(vec![place]))
    };
    let songs = input(args.songs, config_songs, "--songs", "SONG_DATA")?;
    let logs = input(args.logs, config_logs, "--logs", "LOG_DATA")?;
    // Of the environment alone nobody wants every run to be loaded.
    let warehouse = match args.warehouse.has_any_flag() {
        true => Some(resolved.require()?),
        false => None,
    };
    if args.full_refresh && warehouse.is_none() {
        return Err(
            Error::usage("--full-refresh is about a warehouse").with_hint("give --warehouse too")
        );
    }
    let config = RunConfig {
        songs,
        logs,
        out: args.out,
        s3: args.encryption.apply_to(args.s3.to_options()),
        threads: args.threads.map_or_else(available_cores, usize::from),
        max_rejects: args.max_rejects,
        allow_empty: args.allow_empty,
        load_after_run: warehouse.is_some(),
        loaded_objects: LoadedObjects::default(),
        compression: args.compression,
        sizes: Sizes::default(),
    };
    Ok((config, warehouse))
}
