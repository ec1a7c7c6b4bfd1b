//! Passwords are never printed, whatever they contain and wherever they are configured.

use std::path::Path;

use proptest::prelude::*;
use sparkify::jobs::ConfigFile;

use crate::support::config_sources::ConfigSources;

/// Returns twelve capital letters, which occur in no message, and a password that surrounds them with
/// characters that are special in URLs and files.
fn planted_password() -> impl Strategy<Value = (String, String)> {
    (
        "[A-Z]{12}",
        "[a-z0-9/?#@:%&='\"\\[\\];, \\\\]{0,8}",
        "[a-z0-9/?#@:%&='\"\\[\\];, \\\\]{0,8}",
    )
        .prop_map(|(core, before, after)| (format!("{before}{core}{after}"), core))
}

/// Returns everything that is printed for a configuration.
fn all_output(sources: &ConfigSources) -> String {
    let (config, warnings) = sources.resolve();
    let file = format!("{:?}", sources.file);
    match config {
        Ok(Some(config)) => format!("{config} {config:?} {warnings:?} {file}"),
        Ok(None) => file,
        Err(error) => format!("{error} {error:?} {warnings:?} {file}"),
    }
}

fn percent_encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

proptest! {
    #[test]
    fn password_is_never_printed((password, core) in planted_password(), scheme in "(redshift|postgres|x)") {
        let raw = format!("{scheme}://me:{password}@host/db?sslmode=require");
        let clean = format!("{scheme}://me:{}@host/db?sslmode=wrong", percent_encode(&password));
        for url in [raw, clean] {
            let flag = ConfigSources::from_url(&url);
            prop_assert!(!all_output(&flag).contains(&core), "{}", all_output(&flag));
            let variable = ConfigSources::default().with_env("SPARKIFY_WAREHOUSE", &url);
            prop_assert!(!all_output(&variable).contains(&core), "{}", all_output(&variable));
        }
        let variable = ConfigSources::from_url("redshift://me@host/db").with_env("PGPASSWORD", &password);
        prop_assert!(!all_output(&variable).contains(&core));
        prop_assert_eq!(variable.resolve_password(), Some(password.clone()));

        let text = format!("[CLUSTER]\nHOST=h\nDB_USER=u\nDB_PASSWORD={password}\n");
        match ConfigFile::parse(Path::new("dwh.cfg"), &text) {
            Ok(file) => {
                let file = ConfigSources { file: Some(file), ..ConfigSources::default() };
                prop_assert!(!all_output(&file).contains(&core));
            }
            // A part of the password looks like a comment.
            Err(error) => {
                let shown = format!("{error} {error:?}");
                prop_assert!(!shown.contains(&core), "{}", shown);
            }
        }
    }

    #[test]
    fn percent_encoded_password_is_decoded((password, _) in planted_password()) {
        let url = format!("redshift://me:{}@host/db", percent_encode(&password));
        let sources = ConfigSources::default().with_env("SPARKIFY_WAREHOUSE", &url);
        prop_assert_eq!(sources.resolve_password(), Some(password));
    }
}
