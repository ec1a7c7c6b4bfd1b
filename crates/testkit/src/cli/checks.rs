//! The document that `sparkify doctor --json` prints.

use serde_json::Value;

use crate::cli::output::CommandOutput;

/// The results of checks.
#[derive(Debug)]
pub struct Checks {
    pub output: CommandOutput,
    results: Vec<Value>,
}

impl Checks {
    /// Reads the results of a command that made its checks.
    #[track_caller]
    pub fn from_output(output: CommandOutput) -> Self {
        assert_eq!(output.stderr, "", "{output:?}");
        let document = output.json();
        assert_eq!(document["doctor_version"], 1, "{document}");
        let results = document["checks"].as_array().unwrap().clone();
        let has_failed = results.iter().any(|check| check["status"] == "failed");
        let (status, code) = if has_failed { ("failed", 1) } else { ("ok", 0) };
        assert_eq!(document["status"], status, "{document}");
        assert_eq!(output.code, Some(code), "{output:?}");
        Self { output, results }
    }

    /// Returns the names of the checks that came out so.
    pub fn with_status(&self, status: &str) -> Vec<&str> {
        let found = self
            .results
            .iter()
            .filter(|check| check["status"] == status);
        found.map(|check| check["id"].as_str().unwrap()).collect()
    }

    /// Returns a field of a check.
    #[track_caller]
    pub fn field(&self, id: &str, name: &str) -> &str {
        let found = self.results.iter().find(|check| check["id"] == id);
        let found = found.unwrap_or_else(|| panic!("no check {id} in {self:?}"));
        found[name].as_str().unwrap_or_default()
    }

    /// Asserts that exactly one check failed, whose remedy has these words, and that all skipped ones say so.
    #[track_caller]
    pub fn assert_only_failure(&self, case: &str, id: &str, remedy: &str) {
        assert_eq!(self.with_status("failed"), [id], "{case}: {self:#?}");
        let actual = self.field(id, "remedy");
        assert!(
            actual.contains(remedy),
            "{case}: no {remedy:?} in {actual:?}"
        );
        for check in &self.results {
            if let Some(blocked_by) = check["blocked_by"].as_str() {
                assert_eq!(check["status"], "skipped", "{case}: {check}");
                assert_eq!(blocked_by, id, "{case}: {check}");
            }
        }
    }

    /// Asserts that nothing failed, and that these checks could not be made.
    #[track_caller]
    pub fn assert_no_failure(&self, unknown: &[&str]) {
        assert_eq!(self.with_status("failed"), Vec::<&str>::new(), "{self:#?}");
        assert_eq!(self.with_status("unknown"), unknown, "{self:#?}");
    }
}
