//! The configuration of property tests.

use proptest::test_runner::{Config, FileFailurePersistence};

/// Returns a configuration with the number of cases of an ordinary run, which `PROPTEST_CASES` replaces. The
/// seeds of failures are stored next to the source file of the test, to be committed.
pub fn config_with_cases(ordinary: u32) -> Config {
    let persistence = FileFailurePersistence::WithSource("proptest-regressions");
    let config = Config {
        failure_persistence: Some(Box::new(persistence)),
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return config;
    }
    Config {
        cases: ordinary,
        ..config
    }
}
