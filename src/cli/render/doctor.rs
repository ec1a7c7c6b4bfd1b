//! Renders the results of checks, each on a line, with what to do below it.

use super::numbers::pluralize;
use crate::jobs::DoctorReport;
use crate::report::{CheckResult, CheckStatus};

/// The width of the column of the statuses.
const STATUS_WIDTH: usize = 7;

/// The width of the column of the names.
const NAME_WIDTH: usize = 21;

/// Renders a result. With `has_color` the status is colored for a terminal.
pub(crate) fn check_line(result: &CheckResult, has_color: bool) -> String {
    let word = status_word(result.status);
    let padding = " ".repeat(STATUS_WIDTH.saturating_sub(word.len()));
    let status = match has_color {
        true => format!("\x1b[{}m{word}\x1b[0m", color(result.status)),
        false => word.to_owned(),
    };
    let name = result.id.as_str();
    let mut text = format!(
        "{status}{padding}  {name:<NAME_WIDTH$}  {}\n",
        result.message
    );
    if let Some(remedy) = &result.remedy {
        let indent = " ".repeat(STATUS_WIDTH + 2 + NAME_WIDTH + 2);
        text += &format!("{indent}-> {remedy}\n");
    }
    text
}

/// Renders the number of checks by their results.
pub(crate) fn checks_summary(report: &DoctorReport) -> String {
    let statuses = [
        CheckStatus::Failed,
        CheckStatus::Warning,
        CheckStatus::Skipped,
        CheckStatus::Unknown,
        CheckStatus::Ok,
    ];
    let counts = statuses.into_iter().filter_map(|status| {
        let count = report.count(status);
        (count > 0).then(|| format!("{count} {}", status_word(status)))
    });
    let counts = counts.collect::<Vec<_>>().join(", ");
    format!("\n{}: {counts}\n", pluralize(report.checks.len(), "check"))
}

/// Returns the word for a status, as the JSON document has it.
fn status_word(status: CheckStatus) -> &'static str {
    match status {
        CheckStatus::Ok => "ok",
        CheckStatus::Warning => "warning",
        CheckStatus::Failed => "failed",
        CheckStatus::Skipped => "skipped",
        CheckStatus::Unknown => "unknown",
    }
}

/// Returns the parameter of the escape sequence for a color.
fn color(status: CheckStatus) -> u8 {
    match status {
        CheckStatus::Ok => 32,
        CheckStatus::Warning => 33,
        CheckStatus::Failed => 31,
        CheckStatus::Skipped | CheckStatus::Unknown => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::CheckId;

    #[test]
    fn a_remedy_follows_its_check() {
        let result = CheckResult {
            id: CheckId::Clock,
            status: CheckStatus::Failed,
            message: "wrong".to_owned(),
            remedy: Some("set it".to_owned()),
            blocked_by: None,
        };
        let lines =
            "failed   clock                  wrong\n                                -> set it\n";
        assert_eq!(check_line(&result, false), lines);
        let colored = lines.replace("failed", "\x1b[31mfailed\x1b[0m");
        assert_eq!(check_line(&result, true), colored);
        let report = DoctorReport {
            checks: vec![result],
        };
        assert_eq!(checks_summary(&report), "\n1 check: 1 failed\n");
    }
}
