//! Arguments that name locations: input paths, globs and local folders.

use clap::builder::{OsStringValueParser, StringValueParser, TypedValueParser, ValueParser};

use crate::error::{Error, Result};
use crate::input::{Glob, InputSpec};
use crate::storage::Location;
use crate::warehouse::connect::config_file::{ConfigFile, ConfigValue};

/// Parses a local path or an S3 URL.
pub(crate) fn location_parser() -> ValueParser {
    OsStringValueParser::new()
        .try_map(|text| Location::parse(&text))
        .into()
}

/// Parses the path of a local folder.
pub(crate) fn dir_parser() -> ValueParser {
    OsStringValueParser::new()
        .try_map(|text| match Location::parse(&text)? {
            Location::Local(path) => Ok(path),
            Location::S3 { .. } => Err("expected a local folder".to_owned()),
        })
        .into()
}

/// Parses the location that a configuration file has under `key`.
///
/// # Errors
/// Returns an error that names the line if it is not a location.
pub(crate) fn location_in_file(
    file: &ConfigFile,
    key: &str,
    value: &ConfigValue,
) -> Result<Location> {
    Location::parse(value.value.as_ref()).map_err(|reason| {
        let source = file.source(value);
        Error::usage(format!("cannot use {key} in {source}")).with_reason(reason)
    })
}

/// The input of a complete job: songs and logs.
#[derive(Debug, clap::Args)]
pub(crate) struct InputArgs {
    /// Song metadata: folder, file, S3 prefix or glob
    ///
    /// Takes several paths, and may be repeated. Quote globs, so that the shell does not expand
    /// them.
    #[arg(long, value_name = "PATH", value_parser = location_parser(), required = true, num_args = 1..)]
    pub songs: Vec<Location>,
    /// Event logs: folder, file, S3 prefix or glob
    ///
    /// Takes several paths, and may be repeated. Quote globs, so that the shell does not expand
    /// them.
    #[arg(long, value_name = "PATH", value_parser = location_parser(), required = true, num_args = 1..)]
    pub logs: Vec<Location>,
    #[command(flatten)]
    pub include: IncludeArgs,
}

/// Objects that are read in addition to those whose names end as input does.
#[derive(Debug, clap::Args)]
pub(crate) struct IncludeArgs {
    /// Also read objects whose names match
    ///
    /// GLOB is matched against the name of an object, or, if it contains a /, against its key below
    /// PATH. May be repeated.
    #[arg(long, value_name = "GLOB", value_parser = glob_parser())]
    include: Vec<Glob>,
}

impl IncludeArgs {
    /// Returns the input at `locations`.
    pub(crate) fn to_input(&self, locations: Vec<Location>) -> InputSpec {
        let include = self.include.clone();
        InputSpec { locations, include }
    }
}

/// Parses a glob that matches names or keys of objects.
fn glob_parser() -> ValueParser {
    let parse = |text: String| {
        if text.is_empty() || text.ends_with('/') {
            return Err("no object has such a name".to_owned());
        }
        Glob::parse(&text)
    };
    StringValueParser::new().try_map(parse).into()
}
