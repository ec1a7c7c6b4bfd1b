//! Says where the user has set a value, so that a message about the value can name the place to correct.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::parameter::Parameter;
use crate::error::Error;

/// The place where a value is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueSource {
    /// A flag of the command line, such as `--warehouse`.
    Flag(&'static str),
    /// An environment variable, such as `PGHOST`.
    Variable(&'static str),
    /// A line of a file. Lines are counted from 1.
    FileLine {
        /// Path of the file.
        path: PathBuf,
        /// Number of the line.
        line: usize,
    },
}

impl ValueSource {
    /// Returns the source of a line of a file.
    pub(crate) fn file_line(path: &Path, line: usize) -> Self {
        let path = path.to_owned();
        Self::FileLine { path, line }
    }
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::FileLine { path, line } => write!(f, "{}, line {line}", path.display()),
        }
    }
}

/// Where each parameter of a connection is set.
#[derive(Debug, Clone, Default)]
pub struct ValueSources(pub(super) BTreeMap<Parameter, ValueSource>);

impl ValueSources {
    /// Returns the name of a parameter with its source in parentheses, such as `user (PGUSER)`, or the name alone if the
    /// parameter has its default.
    pub(super) fn describe(&self, name: &str, parameter: Parameter) -> String {
        describe(name, self.get(parameter))
    }

    /// Adds the source of a parameter to the hint of an error.
    pub(super) fn add_to(&self, error: Error, name: &str, parameter: Parameter) -> Error {
        match self.get(parameter) {
            Some(source) => error.add_hint(format_args!("{name} is set in {source}")),
            None => error,
        }
    }

    /// Returns the source of a parameter, unless it has its default.
    pub(super) fn get(&self, parameter: Parameter) -> Option<&ValueSource> {
        self.0.get(&parameter)
    }
}

/// Returns a name with its source in parentheses, if there is one.
pub(super) fn describe(name: &str, source: Option<&ValueSource>) -> String {
    match source {
        Some(source) => format!("{name} ({source})"),
        None => name.to_owned(),
    }
}
