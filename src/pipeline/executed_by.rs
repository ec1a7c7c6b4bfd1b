//! Names who runs the program.

/// Returns the user and the machine, as `user@host`. What the system does not tell is `unknown`.
pub(super) fn executed_by() -> String {
    let known = |name: Result<String, whoami::Error>| name.unwrap_or_else(|_| "unknown".to_owned());
    format!(
        "{}@{}",
        known(whoami::username()),
        known(whoami::hostname())
    )
}
