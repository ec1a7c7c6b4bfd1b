//! The scripts in `sql/redshift` and `sql/postgres` are what the generator writes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use postgres::Client;
use sparkify::internals::model::sparkify::SPARKIFY;
use sparkify::internals::warehouse::sql::{SqlScript, sql_scripts};
use sparkify::jobs::Dialect;
use testkit::postgres_server::shared_server;

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
            let path = folder.join(&script.name);
            if is_update {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
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
        let files: BTreeSet<_> = file_names(&folder, "").into_iter().collect();
        let names: BTreeSet<_> = scripts.into_iter().map(|script| script.name).collect();
        assert_eq!(files, names, "{}", folder.display());
    }
}

/// Returns the names of the files in a folder and those below it, after a prefix.
fn file_names(folder: &Path, prefix: &str) -> Vec<String> {
    let mut names = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        let name = format!("{prefix}{}", file.file_name().into_string().unwrap());
        match file.file_type().unwrap().is_dir() {
            true => names.extend(file_names(&file.path(), &format!("{name}/"))),
            false => names.push(name),
        }
    }
    names
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

/// One play and all that belongs to it.
const STAGED_ROWS: &str = "
INSERT INTO staged_songplays VALUES (1, '2018-11-01', 7, 'free', NULL, NULL, 1, NULL, NULL);
INSERT INTO staged_users VALUES (7, 'Ann', 'Lee', 'F', 'free');
INSERT INTO staged_songs VALUES ('S', 'Title', 'A', 0, 1.5);
INSERT INTO staged_artists VALUES ('A', 'Name', NULL, NULL, NULL);
INSERT INTO staged_time VALUES ('2018-11-01', 0, 1, 44, 11, 2018, 4);
INSERT INTO staged_source_objects VALUES ('log', 'log.json', '1', 1, 0, 0);
INSERT INTO staged_state_users VALUES (7, '2018-11-01', 1, 1);
INSERT INTO staged_state_artists VALUES ('A', 'S');
INSERT INTO staged_state_songs VALUES (5, 1.5, 'S', 'A');
";

/// Returns a script without the commands and variables of psql.
fn postgres_script(name: &str) -> String {
    let scripts = sql_scripts(&SPARKIFY, Dialect::Postgres);
    let script = scripts.iter().find(|script| script.name == name).unwrap();
    let lines = script.text.lines().filter(|line| !line.starts_with('\\'));
    let sql = lines.collect::<Vec<_>>().join("\n");
    sql.replace(":'run'", "'R1'")
}

/// Loads one play by the scripts.
fn load(client: &mut Client) {
    for sql in [
        postgres_script("stage.sql"),
        STAGED_ROWS.to_owned(),
        postgres_script("count.sql"),
        postgres_script("merge.sql"),
        postgres_script("verify.sql"),
        postgres_script("commit.sql"),
    ] {
        client.batch_execute(&sql).unwrap();
    }
}

#[test]
fn postgres_scripts_load_several_times_in_one_session() {
    let database = shared_server().create_database();
    let mut client = database.connect();
    client
        .batch_execute(&postgres_script("create.sql"))
        .unwrap();
    let constraints = "SELECT COUNT(*) FROM pg_constraint WHERE contype IN ('p', 'f') AND conrelid IN \
                       ('songplays'::regclass, 'songs'::regclass, 'time'::regclass)";
    for is_full_refresh in [false, false, true, true] {
        client.batch_execute(&postgres_script("stage.sql")).unwrap();
        if is_full_refresh {
            client
                .batch_execute(&postgres_script("refresh.sql"))
                .unwrap();
            // The primary key of songs stays.
            assert_eq!(count(&mut client, constraints), 1);
        }
        for sql in [STAGED_ROWS, &postgres_script("merge.sql"), "COMMIT"] {
            client.batch_execute(sql).unwrap();
        }
        assert_eq!(count(&mut client, constraints), 3 + 5);
        assert_eq!(count(&mut client, "SELECT COUNT(*) FROM songplays"), 1);
    }
}

/// Sessions of a connection pool may change their role. Nothing that belongs to the first role is in the way of the
/// second one.
#[test]
fn postgres_scripts_load_as_two_roles_in_one_session() {
    let database = shared_server().create_database();
    let mut client = database.connect();
    client
        .batch_execute(&postgres_script("create.sql"))
        .unwrap();
    client
        .batch_execute(
            "CREATE ROLE second_loader;
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO second_loader",
        )
        .unwrap();
    load(&mut client);
    client.batch_execute("SET ROLE second_loader").unwrap();
    load(&mut client);
    client.batch_execute("RESET ROLE").unwrap();
    load(&mut client);
    assert_eq!(count(&mut client, "SELECT COUNT(*) FROM songplays"), 1);
}

fn count(client: &mut Client, query: &str) -> i64 {
    client.query_one(query, &[]).unwrap().get(0)
}
