//! Arguments that name locations: of the input and of folders.

use clap::builder::{OsStringValueParser, StringValueParser, TypedValueParser, ValueParser};

use crate::input::{Glob, InputPlaces};
use crate::storage::Place;

/// Parses a place.
pub fn place() -> ValueParser {
    OsStringValueParser::new()
        .try_map(|text| Place::parse(&text))
        .into()
}

/// Parses a folder.
pub fn folder() -> ValueParser {
    OsStringValueParser::new()
        .try_map(|text| match Place::parse(&text)? {
            Place::Local(path) => Ok(path),
            Place::S3 { .. } => Err("a folder is wanted".to_owned()),
        })
        .into()
}

/// Where the input of the whole job is.
#[derive(Debug, clap::Args)]
pub struct Input {
    /// Folder, file, s3://bucket/prefix or quoted glob with song metadata; may be repeated
    #[arg(long, value_name = "PATH", value_parser = place(), required = true, num_args = 1..)]
    pub songs: Vec<Place>,
    /// Folder, file, s3://bucket/prefix or quoted glob with log events; may be repeated
    #[arg(long, value_name = "PATH", value_parser = place(), required = true, num_args = 1..)]
    pub logs: Vec<Place>,
    #[command(flatten)]
    pub include: IncludeArgs,
}

/// Which objects count as input whatever their names end in.
#[derive(Debug, clap::Args)]
pub struct IncludeArgs {
    /// Also read objects whose name matches, or whose key below PATH does if GLOB has a /; may be
    /// repeated
    #[arg(long, value_name = "GLOB", value_parser = include())]
    include: Vec<Glob>,
}

impl IncludeArgs {
    /// Such places as an input.
    pub fn of(&self, places: Vec<Place>) -> InputPlaces {
        let include = self.include.clone();
        InputPlaces { places, include }
    }
}

/// Parses a glob of objects.
fn include() -> ValueParser {
    let parse = |text: String| {
        if text.is_empty() || text.ends_with('/') {
            return Err("it names no object".to_owned());
        }
        Glob::parse(&text)
    };
    StringValueParser::new().try_map(parse).into()
}
