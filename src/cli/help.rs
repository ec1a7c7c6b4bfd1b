//! Help texts that commands share.

/// Columns of the help, on every terminal and in files.
pub(super) const WIDTH: usize = 80;

/// Returns the end of the long help of a command that does not limit rejects.
pub(super) fn with_exit_codes(examples: &str) -> String {
    format!(
        "{examples}\n\nExit codes: 0 done, 1 failed, 2 wrong usage, 4 worth trying again later,\n\
         130 or 143 stopped by a signal."
    )
}

/// Returns the end of the long help of a command that tells whether data are stale.
pub(super) fn with_stale_exit_code(examples: &str) -> String {
    format!(
        "{examples}\n\nExit codes: 0 done, 1 stale or failed, 2 wrong usage, 4 worth trying again later,\n\
         130 or 143 stopped by a signal."
    )
}

/// Returns the end of the long help of a command that makes checks.
pub(super) fn with_finding_exit_code(examples: &str) -> String {
    format!(
        "{examples}\n\nExit codes: 0 done, 1 a check failed, 2 wrong usage, 130 or 143 stopped by a\n\
         signal."
    )
}

/// Returns the end of the long help of a command that may fail because of too many rejects.
pub(super) fn with_all_exit_codes(examples: &str) -> String {
    format!(
        "{examples}\n\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 too many rejects, 4 worth trying\n\
         again later, 130 or 143 stopped by a signal."
    )
}
