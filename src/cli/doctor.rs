//! `sparkify doctor`: checks every link of the chain from the input to the warehouse.

use std::env;
use std::io::IsTerminal;
use std::process::ExitCode;

use super::args::location::{IncludeArgs, location_in_file, location_parser};
use super::args::s3::{EncryptionArgs, InputEncryptionArgs, S3Args};
use super::args::warehouse::{IamRoleArgs, WarehouseArgs};
use super::help;
use super::progress::TerminalProgress;
use super::render::doctor::{check_line, checks_summary};
use super::stdout::{print, print_json, report_failure};
use crate::error::{Error, Result};
use crate::interrupt::{CanStop, set_leftovers};
use crate::jobs::{Dialect, DoctorJob};
use crate::observer::Observer;
use crate::report::{CheckResult, CheckStatus};
use crate::storage::Location;

/// The version of the document that `--json` prints.
const DOCTOR_VERSION: u32 = 1;

/// The exit code if a check failed.
const FAILED: u8 = 1;

/// Check every link from the input to the warehouse
///
/// Makes the checks of what is named, in order, and prints a line for each: ok, warning, failed, skipped
/// or unknown, and below it what to do. A check that needs one that failed is skipped, so that a fault
/// is named once. Unknown is what cannot be checked from here, with the reason. docs/operating.md lists
/// the checks.
///
/// Changes nothing, except for small objects in OUT/_doctor, which are removed again, and a temporary
/// table in Redshift. Takes --config, --warehouse and the variables as sparkify run does.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_finding_exit_code(EXAMPLES))]
pub(super) struct DoctorArgs {
    /// Song metadata to check
    ///
    /// [default: SONG_DATA in the --config file]
    #[arg(long, value_name = "PATH", value_parser = location_parser(), num_args = 1..)]
    songs: Vec<Location>,
    /// Event logs to check
    ///
    /// [default: LOG_DATA in the --config file]
    #[arg(long, value_name = "PATH", value_parser = location_parser(), num_args = 1..)]
    logs: Vec<Location>,
    #[command(flatten)]
    include: IncludeArgs,
    /// Output to check: a local folder or s3://bucket/prefix
    #[arg(long, value_name = "OUT", value_parser = location_parser())]
    out: Option<Location>,
    /// Print the results as JSON on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    warehouse: WarehouseArgs,
    #[command(flatten)]
    iam_role: IamRoleArgs,
    #[command(flatten)]
    s3: S3Args,
    #[command(flatten)]
    input_encryption: InputEncryptionArgs,
    #[command(flatten)]
    encryption: EncryptionArgs,
}

const EXAMPLES: &str = r#"Examples:
  sparkify doctor --config dwh.cfg --out s3://bucket/star
  sparkify doctor --songs songs --logs logs --out warehouse \
    --warehouse postgres://etl@localhost/music
  sparkify doctor --warehouse postgres://etl@localhost/music --json \
    | jq '.checks[] | select(.status == "failed")'"#;

/// Prints the results. The exit code tells whether a check failed.
pub(super) fn main(args: DoctorArgs) -> Result<ExitCode> {
    let json = args.json;
    doctor(args).map_err(|error| report_failure(error, json, ("doctor_version", DOCTOR_VERSION)))
}

fn doctor(args: DoctorArgs) -> Result<ExitCode> {
    let json = args.json;
    let progress = TerminalProgress::new(true);
    let job = args.into_job(&progress)?;
    if let Some(out @ Location::S3 { .. }) = &job.out {
        let probes = out.join("_doctor");
        let leftovers = format!("it could not clean up in time; remove what is left in {probes}");
        set_leftovers(leftovers, CanStop::Yes);
    }
    let has_color = has_color();
    let mut printed = Ok(());
    let mut on_result = |result: &CheckResult| {
        if !json && printed.is_ok() {
            printed = print(&check_line(result, has_color));
        }
    };
    let report = job.execute(&mut on_result).map_err(|error| {
        error.describe_stop("not all checks were made, and nothing is left of those that were")
    })?;
    printed?;
    let has_failed = report.count(CheckStatus::Failed) > 0;
    match json {
        true => print_json(&DoctorJson {
            doctor_version: DOCTOR_VERSION,
            sparkify_version: env!("CARGO_PKG_VERSION"),
            status: if has_failed { "failed" } else { "ok" },
            checks: &report.checks,
        })?,
        false => print(&checks_summary(&report))?,
    }
    Ok(match has_failed {
        true => ExitCode::from(FAILED),
        false => ExitCode::SUCCESS,
    })
}

/// Returns true if stdout is a terminal whose user wants colors (https://no-color.org).
fn has_color() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

impl DoctorArgs {
    /// Returns the job that the arguments, the environment and the configuration file describe.
    ///
    /// # Errors
    /// Returns an error if an argument is not valid or has no effect, or if nothing is named.
    fn into_job(self, observer: &dyn Observer) -> Result<DoctorJob> {
        let aws = self.s3.to_aws_options();
        let resolved = self
            .warehouse
            .resolve(Some(&self.iam_role), &aws, observer)?;
        let file = resolved.config_file.as_ref();
        let in_file = |key, value| match (file, value) {
            (Some(file), Some(value)) => location_in_file(file, key, value).map(Some),
            _ => Ok(None),
        };
        let songs = match self.songs.is_empty() {
            true => in_file("SONG_DATA", file.and_then(|file| file.song_data.as_ref()))?
                .into_iter()
                .collect(),
            false => self.songs,
        };
        let logs = match self.logs.is_empty() {
            true => in_file("LOG_DATA", file.and_then(|file| file.log_data.as_ref()))?
                .into_iter()
                .collect(),
            false => self.logs,
        };
        let log_jsonpaths = in_file(
            "LOG_JSONPATH",
            file.and_then(|file| file.log_jsonpath.as_ref()),
        )?;
        let inputs = songs.iter().chain(&logs);
        self.input_encryption.ensure_used(inputs.clone())?;
        let is_redshift = |dialect| dialect == Dialect::Redshift;
        let dialect = resolved
            .warehouse
            .as_ref()
            .map(|warehouse| warehouse.connection.dialect);
        // Requests to AWS about a cluster have the same region and profile.
        if !dialect.is_some_and(is_redshift) {
            let locations = inputs.chain(&self.out).chain(&log_jsonpaths);
            self.s3
                .ensure_used(locations, "nothing that is checked is in S3")?;
        }
        if let Some(out) = &self.out {
            self.encryption.ensure_used(out)?;
        }
        let input = |locations: Vec<Location>| {
            (!locations.is_empty()).then(|| self.include.to_input(locations))
        };
        let s3 = self
            .input_encryption
            .apply_to(self.s3.to_options(), observer)?;
        let job = DoctorJob {
            songs: input(songs),
            logs: input(logs),
            log_jsonpaths,
            out: self.out,
            s3: self.encryption.apply_to(s3),
            warehouse: resolved.warehouse,
        };
        let names_nothing = job.songs.is_none()
            && job.logs.is_none()
            && job.out.is_none()
            && job.warehouse.is_none();
        match names_nothing {
            true => Err(Error::usage("nothing to check is named")
                .with_hint("give --config, --songs, --logs, --out or --warehouse")),
            false => Ok(job),
        }
    }
}

/// The document that `--json` prints.
#[derive(serde::Serialize)]
struct DoctorJson<'a> {
    doctor_version: u32,
    sparkify_version: &'static str,
    status: &'static str,
    checks: &'a [CheckResult],
}
