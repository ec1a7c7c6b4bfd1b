//! `sparkify status`: tells whether data still arrive in a warehouse, or at an output location.

use std::process::ExitCode;
use std::time::Duration;

use super::args::location::location_parser;
use super::args::s3::S3Args;
use super::args::warehouse::WarehouseArgs;
use super::help;
use super::history_source::{HistoryWords, history_source};
use super::progress::TerminalProgress;
use super::render::status::status_line;
use super::stdout::{print, print_json, report_failure};
use crate::error::Result;
use crate::jobs::{HistorySource, StatusJob};
use crate::storage::Location;

/// The version of the document that `--json` prints.
const STATUS_VERSION: u32 = 1;

/// The exit code if the data are stale.
const STALE: u8 = 1;

/// Tell whether data still arrive, for monitoring
///
/// Prints one line that begins with OK or STALE: the newest load of a warehouse, or with --from the newest
/// run at an output location, how old it and the newest event are, and how many records were rejected. All
/// times are UTC. STALE means that one of them is older than its limit, or that there is no load or run.
///
/// A run that finds nothing new writes nothing, so that the status does not see it. Watch the metrics of
/// such runs (sparkify run --metrics).
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_stale_exit_code(EXAMPLES))]
pub(super) struct StatusArgs {
    /// Examine the runs at this output, not loads
    ///
    /// The --out of runs: a prefix or a folder that keeps runs side by side, or the folder of one dataset.
    #[arg(long, value_name = "OUT", value_parser = location_parser())]
    from: Option<Location>,
    /// Maximum age of the newest load or run
    ///
    /// Such as 26h, 90m, 3d or 1d12h. For a load, since it was made; for a run, since it began.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    max_age: Option<Duration>,
    /// Maximum age of the newest event
    ///
    /// In the same form. Without events the data are stale.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    max_lag: Option<Duration>,
    /// Print the status as JSON on stdout
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    warehouse: WarehouseArgs,
    #[command(flatten)]
    s3: S3Args,
}

const EXAMPLES: &str = r"Examples:
  sparkify status --max-age 26h --warehouse postgres://etl@localhost/music
  sparkify status --from s3://bucket/star --max-age 26h --max-lag 2d
  sparkify status --config dwh.cfg --json | jq .lag_seconds";

/// Prints the status. The exit code tells whether the data are stale.
pub(super) fn main(args: StatusArgs) -> Result<ExitCode> {
    let json = args.json;
    status(args).map_err(|error| report_failure(error, json, ("status_version", STATUS_VERSION)))
}

fn status(args: StatusArgs) -> Result<ExitCode> {
    let progress = TerminalProgress::new(true);
    let words = HistoryWords {
        does: "examines",
        to_do: "examine",
        result: "status",
    };
    let source = history_source(args.from, &args.warehouse, &args.s3, words, &progress)?;
    let job = StatusJob {
        source,
        max_age: args.max_age,
        max_lag: args.max_lag,
    };
    let report = job.execute(&progress)?;
    let is_stale = !report.stale.is_empty();
    if args.json {
        let (key, place) = match &job.source {
            HistorySource::Warehouse(connection) => ("warehouse", connection.to_string()),
            HistorySource::Output { out, .. } => ("from", out.to_string()),
        };
        let mut document = serde_json::json!({
            "status_version": STATUS_VERSION,
            "status": if is_stale { "stale" } else { "ok" },
            key: place,
        });
        let report = serde_json::to_value(&report).unwrap_or_default();
        if let (Some(document), serde_json::Value::Object(report)) =
            (document.as_object_mut(), report)
        {
            document.extend(report);
        }
        print_json(&document)?;
    } else {
        print(&status_line(&job, &report))?;
    }
    Ok(match is_stale {
        true => ExitCode::from(STALE),
        false => ExitCode::SUCCESS,
    })
}

fn parse_duration(text: &str) -> std::result::Result<Duration, String> {
    match humantime::parse_duration(text) {
        // Ages are compared in whole seconds.
        Ok(duration) if duration >= Duration::from_secs(1) => Ok(duration),
        _ => Err("expected a time such as 26h, 90m, 3d or 1d12h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, seconds) in [
            ("26h", 26 * 3600),
            ("90m", 5400),
            ("3d", 3 * 86400),
            ("1d12h", 36 * 3600),
            ("1d 12h", 36 * 3600),
            ("45s", 45),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "26",
            "0h",
            "1ms",
            "-1h",
            "h",
            "1.5x",
            "99999999999999999999d",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
