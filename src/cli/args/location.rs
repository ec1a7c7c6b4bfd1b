//! Arguments that name locations: of the input and of folders.

use clap::builder::{OsStringValueParser, StringValueParser, TypedValueParser, ValueParser};

use crate::input::{Glob, InputSpec};
use crate::storage::Location;

/// Parses a place.
pub(crate) fn location_parser() -> ValueParser {
    OsStringValueParser::new()
        .try_map(|text| Location::parse(&text))
        .into()
}

/// Parses a folder.
pub(crate) fn dir_parser() -> ValueParser {
    OsStringValueParser::new()
        .try_map(|text| match Location::parse(&text)? {
            Location::Local(path) => Ok(path),
            Location::S3 { .. } => Err("a folder is wanted".to_owned()),
        })
        .into()
}

/// Where the input of the whole job is.
#[derive(Debug, clap::Args)]
pub(crate) struct InputArgs {
    /// Folder, file, s3://bucket/prefix or quoted glob with song metadata; may be repeated
    #[arg(long, value_name = "PATH", value_parser = location_parser(), required = true, num_args = 1..)]
    pub songs: Vec<Location>,
    /// Folder, file, s3://bucket/prefix or quoted glob with log events; may be repeated
    #[arg(long, value_name = "PATH", value_parser = location_parser(), required = true, num_args = 1..)]
    pub logs: Vec<Location>,
    #[command(flatten)]
    pub include: IncludeArgs,
}

/// Which objects count as input whatever their names end in.
#[derive(Debug, clap::Args)]
pub(crate) struct IncludeArgs {
    /// Also read objects whose name matches, or whose key below PATH does if GLOB has a /; may be
    /// repeated
    #[arg(long, value_name = "GLOB", value_parser = glob_parser())]
    include: Vec<Glob>,
}

impl IncludeArgs {
    /// Such places as an input.
    pub(crate) fn to_input(&self, places: Vec<Location>) -> InputSpec {
        let include = self.include.clone();
        InputSpec {
            locations: places,
            include,
        }
    }
}

/// Parses a glob of objects.
fn glob_parser() -> ValueParser {
    let parse = |text: String| {
        if text.is_empty() || text.ends_with('/') {
            return Err("it names no object".to_owned());
        }
        Glob::parse(&text)
    };
    StringValueParser::new().try_map(parse).into()
}
