//! The scripts in `sql/redshift` and `sql/postgres` are what the generator writes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sparkify::internals::model::sparkify::SPARKIFY;
use sparkify::internals::warehouse::sql::{SqlScript, sql_scripts};
use sparkify::jobs::Dialect;

fn scripts_by_folder() -> [(PathBuf, Vec<SqlScript>); 2] {
    [
        ("sql/redshift", Dialect::Redshift),
        ("sql/postgres", Dialect::Postgres),
    ]
    .map(|(folder, dialect)| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        (folder, sql_scripts(&SPARKIFY, dialect))
    })
}

#[test]
fn sql_files_are_what_the_generator_writes() {
    let is_update = std::env::var_os("UPDATE_SQL").is_some();
    for (folder, scripts) in scripts_by_folder() {
        for script in scripts {
            let path = folder.join(script.name);
            if is_update {
                fs::write(&path, &script.text).unwrap();
            }
            let actual = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                actual == script.text,
                "{} is not what the generator writes; UPDATE_SQL=1 cargo test --test warehouse sql_files rewrites it",
                path.display()
            );
        }
    }
}

#[test]
fn sql_folders_have_no_other_files() {
    for (folder, scripts) in scripts_by_folder() {
        let files = fs::read_dir(&folder).unwrap();
        let files: BTreeSet<_> = files.map(|file| file.unwrap().file_name()).collect();
        let names: BTreeSet<_> = scripts.iter().map(|script| script.name.into()).collect();
        assert_eq!(files, names, "{}", folder.display());
    }
}

/// The order of texts must not depend on a locale.
#[test]
fn postgres_text_columns_use_c_collation() {
    let scripts = sql_scripts(&SPARKIFY, Dialect::Postgres);
    let lines: Vec<&str> = scripts.iter().flat_map(|s| s.text.lines()).collect();
    let text_columns: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("VARCHAR("))
        .collect();
    assert!(text_columns.len() > 20, "{text_columns:?}");
    for line in text_columns {
        assert!(line.contains("COLLATE \"C\""), "{line}");
    }
}
