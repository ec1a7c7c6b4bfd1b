//! Finds the home directory, which has files with defaults of libpq.

use std::path::PathBuf;

/// Returns the home directory that the environment names, if it names one.
pub(super) fn home(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    env("HOME")
        .filter(|home| !home.is_empty())
        .map(PathBuf::from)
}
