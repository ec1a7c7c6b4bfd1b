//! Snapshots: complete outputs, kept as text files in `tests/snapshots` of the package that is tested.
//!
//! In a snapshot, `[..]` stands for any text in a line, and `...` on a line of its own for any lines. Such
//! wildcards stay where they are when `SNAPSHOTS=overwrite` updates a snapshot, as long as they still match.

use std::env;
use std::path::Path;

use snapbox::assert::DEFAULT_ACTION_ENV;
use snapbox::data::DataFormat;
use snapbox::{Assert, Data};

use crate::cli::output::CommandOutput;

/// Asserts that a text is the one in this file of the snapshots.
#[track_caller]
pub fn assert_snapshot(file: &str, text: &str) {
    let package = env::var("CARGO_MANIFEST_DIR").expect("run the tests with cargo");
    let path = Path::new(&package).join("tests/snapshots").join(file);
    Assert::new()
        .action_env(DEFAULT_ACTION_ENV)
        .normalize_paths(false)
        .eq(text, Data::read_from(&path, Some(DataFormat::Text)));
}

impl CommandOutput {
    /// Asserts that exit code, stdout and stderr are those in this file of the snapshots.
    #[track_caller]
    pub fn assert_snapshot(&self, file: &str) {
        let mut text = match self.code {
            Some(code) => format!("exit code {code}\n"),
            None => "killed by a signal\n".to_owned(),
        };
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !stream.is_empty() {
                text += &format!("\n----- {name} -----\n{stream}");
            }
        }
        assert_snapshot(file, &text);
    }
}
