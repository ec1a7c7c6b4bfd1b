//! What `--version` prints about the build and this machine.

use std::sync::LazyLock;

use crate::decode::instruction_set;

/// Returns the version, with a line for each fact about the build that a report of a problem should have.
pub(super) fn long_version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let facts = [
            ("commit", env!("SPARKIFY_BUILD_COMMIT")),
            ("target", env!("SPARKIFY_BUILD_TARGET")),
            ("profile", env!("SPARKIFY_BUILD_PROFILE")),
            ("features", env!("SPARKIFY_BUILD_FEATURES")),
            ("compiler", env!("SPARKIFY_BUILD_RUSTC")),
            ("decoder", instruction_set()),
        ];
        let lines = facts.map(|(name, value)| format!("\n{:<9} {value}", format!("{name}:")));
        env!("CARGO_PKG_VERSION").to_owned() + &lines.concat()
    });
    &TEXT
}
