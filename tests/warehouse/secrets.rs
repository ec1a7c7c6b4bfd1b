//! A password shows nowhere, whatever it is and wherever it was put.

use proptest::prelude::*;
use sparkify::warehouse::connect::secret::Secret;

use crate::resolve::Sources;

/// Twelve capital letters stand in nothing else; around them is what breaks URLs and files.
fn planted() -> impl Strategy<Value = (String, String)> {
    (
        "[A-Z]{12}",
        "[a-z0-9/?#@:%&='\"\\[\\];, \\\\]{0,8}",
        "[a-z0-9/?#@:%&='\"\\[\\];, \\\\]{0,8}",
    )
        .prop_map(|(core, before, after)| (format!("{before}{core}{after}"), core))
}

/// All that is printed of what comes of it.
fn printed(sources: &Sources) -> String {
    let (address, warnings) = sources.resolve();
    let file = format!("{:?}", sources.file);
    match address {
        Ok(Some(address)) => format!("{address} {address:?} {warnings:?} {file}"),
        Ok(None) => file,
        Err(error) => format!("{error} {error:?} {warnings:?} {file}"),
    }
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[test]
fn secrets_print_as_stars() {
    let secret = Secret::new("planted");
    assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    assert_eq!(secret.expose(), "planted");
    assert_eq!(secret.redact_in("a planted b"), "a *** b");
    assert_eq!(Secret::new("").redact_in("a"), "a");
}

proptest! {
    #[test]
    fn a_password_shows_nowhere((password, core) in planted(), scheme in "(redshift|postgres|x)") {
        let raw = format!("{scheme}://me:{password}@host/db?sslmode=require");
        let clean = format!("{scheme}://me:{}@host/db?sslmode=wrong", encoded(&password));
        for url in [raw, clean] {
            let flag = Sources::of_url(&url);
            prop_assert!(!printed(&flag).contains(&core), "{}", printed(&flag));
            let variable = Sources::default().env("SPARKIFY_WAREHOUSE", &url);
            prop_assert!(!printed(&variable).contains(&core), "{}", printed(&variable));
        }
        let variable = Sources::of_url("redshift://me@host/db").env("PGPASSWORD", &password);
        prop_assert!(!printed(&variable).contains(&core));
        prop_assert_eq!(variable.password(), Some(password.clone()));

        let text = format!("[CLUSTER]\nHOST=h\nDB_USER=u\nDB_PASSWORD={password}\n");
        let file = Sources::default().file(&text);
        prop_assert!(!printed(&file).contains(&core));
    }

    #[test]
    fn an_encoded_password_arrives_as_it_is((password, _) in planted()) {
        let url = format!("redshift://me:{}@host/db", encoded(&password));
        let sources = Sources::default().env("SPARKIFY_WAREHOUSE", &url);
        prop_assert_eq!(sources.password(), Some(password));
    }
}
