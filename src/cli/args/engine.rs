//! Arguments about the engine that transforms the records.

use clap::ValueEnum;

use super::location::location_parser;
use crate::cli::usage_error::no_effect;
use crate::config::{Engine, RedshiftEngineOptions};
use crate::error::{Error, Result};
use crate::storage::Location;
use crate::warehouse::connect::config_file::ConfigFile;

/// The engine, and the options of the one inside Redshift.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Engine")]
pub(crate) struct EngineArgs {
    /// Engine that transforms the records: in-process or redshift
    ///
    /// in-process reads the JSON here, and writes a dataset. redshift lets the Redshift warehouse copy the
    /// raw JSON from S3 and transform it by SQL, for data that outgrows one machine. The tables are the
    /// same.
    #[arg(
        long,
        // The sentence above does not fit the line of the short help.
        help = "Engine: in-process, redshift",
        value_name = "ENGINE",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    engine: EngineArg,
    /// JSONPaths file for the logs
    ///
    /// Only with --engine redshift. It has a path for each key of a log record, in any order.
    ///
    /// [default: LOG_JSONPATH in the --config file, otherwise a generated file]
    #[arg(long, value_name = "PATH", value_parser = location_parser())]
    log_jsonpath: Option<Location>,
    /// Keep the tables staging_events and staging_songs
    ///
    /// Only with --engine redshift. They have the raw records. Those of an earlier run are replaced. Other
    /// tables of these names fail the run.
    #[arg(long)]
    keep_staging: bool,
    /// AWS region of the input and of OUT
    ///
    /// Only with --engine redshift, if the buckets are in another region than Redshift.
    #[arg(long, value_name = "NAME")]
    copy_region: Option<String>,
}

/// The name of an engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum EngineArg {
    #[default]
    InProcess,
    Redshift,
}

impl EngineArgs {
    /// Returns the engine. The configuration file may name a JSONPaths file.
    ///
    /// # Errors
    /// Returns an error if a flag has no effect or is not valid.
    pub(crate) fn to_engine(&self, file: Option<&ConfigFile>) -> Result<Engine> {
        match self.engine {
            EngineArg::InProcess => self.ensure_no_options().map(|()| Engine::InProcess),
            EngineArg::Redshift => Ok(Engine::Redshift(RedshiftEngineOptions {
                log_jsonpaths: match &self.log_jsonpath {
                    Some(location) => Some(location.clone()),
                    None => jsonpaths_in_file(file)?,
                },
                keep_staging: self.keep_staging,
                copy_region: self.copy_region.clone().map(check_region).transpose()?,
            })),
        }
    }

    fn ensure_no_options(&self) -> Result<()> {
        let flags = [
            ("--log-jsonpath", self.log_jsonpath.is_some()),
            ("--keep-staging", self.keep_staging),
            ("--copy-region", self.copy_region.is_some()),
        ];
        match flags.into_iter().find(|&(_, is_given)| is_given) {
            None => Ok(()),
            Some((flag, _)) => Err(
                no_effect(flag, "the records are transformed in this process")
                    .with_hint("add --engine redshift"),
            ),
        }
    }
}

fn jsonpaths_in_file(file: Option<&ConfigFile>) -> Result<Option<Location>> {
    let named = file.and_then(|file| Some((file, file.log_jsonpath.as_ref()?)));
    let location = named.map(|(file, named)| {
        Location::parse(named.value.as_ref()).map_err(|reason| {
            let source = file.source(named);
            Error::usage(format!("cannot use LOG_JSONPATH in {source}")).with_reason(reason)
        })
    });
    location.transpose()
}

/// Checks the name of a region, which becomes part of a COPY.
fn check_region(region: String) -> Result<String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match !region.is_empty() && region.chars().all(is_name) {
        true => Ok(region),
        false => Err(Error::usage(format!("cannot use --copy-region {region}"))
            .with_reason("expected the name of a region such as us-west-2")),
    }
}
