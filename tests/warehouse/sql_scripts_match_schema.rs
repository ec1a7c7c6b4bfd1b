//! The scripts in `sql/` match `star/schema.rs`: tables, column order, types, lengths and nullability.

use sparkify::internals::model::sparkify::SPARKIFY;
use sparkify::internals::model::{ColumnSchema, ColumnType};
use sparkify::internals::warehouse::catalog::warehouse_tables;
use sparkify::internals::warehouse::sql::{SqlTemplates, split_statements};
use sparkify::jobs::Dialect;

const DIALECTS: [Dialect; 2] = [Dialect::Redshift, Dialect::Postgres];

/// Formats a column as in DDL, without keys.
fn column_ddl(column: &ColumnSchema) -> String {
    let ty = match column.ty {
        ColumnType::BigInt => "BIGINT".to_owned(),
        ColumnType::Integer => "INTEGER".to_owned(),
        ColumnType::SmallInt => "SMALLINT".to_owned(),
        ColumnType::Double => "DOUBLE PRECISION".to_owned(),
        ColumnType::Timestamp => "TIMESTAMP".to_owned(),
        ColumnType::Varchar(bytes) => format!("VARCHAR({bytes})"),
    };
    let null = if column.nullable { "" } else { " NOT NULL" };
    format!("{} {ty}{null}", column.name)
}

/// Returns the columns of a CREATE TABLE in the same format.
fn created_columns(sql: &str) -> Vec<String> {
    let body = sql.split_once("(\n").unwrap().1;
    let lines = body.lines().map(str::trim).take_while(|line| *line != ")");
    let keys = ["CONSTRAINT", "PRIMARY KEY"];
    let lines = lines.filter(|line| !keys.iter().any(|key| line.starts_with(key)));
    let column = |line: &str| {
        let line = line.trim_end_matches(',').replace(" COLLATE \"C\"", "");
        let line = line.split(" PRIMARY KEY").next().unwrap();
        let line = line.split(" REFERENCES").next().unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    lines.map(column).collect()
}

#[test]
fn create_script_matches_schema() {
    for dialect in DIALECTS {
        let create = split_statements(SqlTemplates::for_dialect(dialect).create);
        let creates = create.iter().filter(|sql| sql.starts_with("CREATE TABLE"));
        assert_eq!(creates.count(), warehouse_tables().len());
        for (name, columns) in warehouse_tables() {
            let head = format!("CREATE TABLE IF NOT EXISTS {name} (");
            let sql = create.iter().find(|sql| sql.starts_with(&head)).unwrap();
            let expected: Vec<String> = columns.iter().map(column_ddl).collect();
            assert_eq!(created_columns(sql), expected, "{dialect:?} {name}");
        }
    }
}

/// All text columns of PostgreSQL compare bytewise.
#[test]
fn postgres_text_columns_use_c_collation() {
    let scripts = SqlTemplates::for_dialect(Dialect::Postgres);
    for script in [scripts.create, scripts.stage] {
        for line in script.lines().filter(|line| line.contains("VARCHAR(")) {
            assert!(line.contains("COLLATE \"C\""), "{line}");
        }
    }
}

#[test]
fn drop_script_drops_every_table() {
    for dialect in DIALECTS {
        let mut dropped: Vec<&str> = split_statements(SqlTemplates::for_dialect(dialect).drop)
            .into_iter()
            .map(|sql| sql.strip_prefix("DROP TABLE IF EXISTS ").unwrap())
            .collect();
        let mut created: Vec<&str> = warehouse_tables().iter().map(|(name, _)| *name).collect();
        dropped.sort_unstable();
        created.sort_unstable();
        assert_eq!(dropped, created);
    }
}

#[test]
fn copy_columns_match_parquet() {
    for dialect in DIALECTS {
        let scripts = SqlTemplates::for_dialect(dialect);
        let copies = split_statements(scripts.copy);
        assert_eq!(copies.len(), SPARKIFY.dataset_tables().count());
        for table in SPARKIFY.dataset_tables() {
            let head = format!("COPY staged_{} (", table.name);
            let sql = copies.iter().find(|sql| sql.starts_with(&head)).unwrap();
            let list = sql[head.len()..].split_once(')').unwrap().0;
            let list: Vec<&str> = list.split(',').map(str::trim).collect();
            let expected: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
            assert_eq!(list, expected);
        }
    }
}

/// In PostgreSQL, where triggers may change rows, every column of every table is compared with the merged
/// values.
#[test]
fn verify_script_covers_every_column() {
    let [verify] = &split_statements(SqlTemplates::for_dialect(Dialect::Postgres).verify)[..]
    else {
        panic!("verify.sql must be one statement")
    };
    for (name, columns) in warehouse_tables() {
        let head = format!("SELECT '{name}' AS name");
        let queries = verify.split("\nUNION ALL\n");
        let queries: String = queries.filter(|query| query.contains(&head)).collect();
        let checked =
            format!("EXISTS (SELECT FROM tables_with_side_effects WHERE name = '{name}')");
        assert!(queries.contains(&checked), "{name}");
        let stage = SqlTemplates::for_dialect(Dialect::Postgres).stage;
        assert!(stage.contains(&format!("'{name}'::regclass")), "{name}");
        assert!(
            stage.contains(&format!("FROM {name}) AS rows FROM has_side_effects")),
            "{name}"
        );
        // The expected load time is not known.
        for column in columns.iter().filter(|column| column.name != "loaded_at") {
            let compared = format!("w.{}", column.name);
            assert!(queries.contains(&compared), "{name}.{}", column.name);
        }
    }
}

/// A load is one transaction: it starts with the lock and ends with COMMIT, and no other statement commits.
#[test]
fn load_is_one_transaction() {
    for dialect in DIALECTS {
        let scripts = SqlTemplates::for_dialect(dialect);
        let verify = split_statements(scripts.verify);
        assert!(
            verify
                .iter()
                .all(|sql| sql.starts_with("SELECT") || sql.starts_with("WITH"))
        );
        let all = [scripts.stage, scripts.clear, scripts.copy, scripts.merge];
        let all: Vec<&str> = all.into_iter().flat_map(split_statements).collect();
        assert_eq!(all[0], "BEGIN");
        assert!(all[1].starts_with("LOCK "), "{}", all[1]);
        assert_eq!(all.last(), Some(&"COMMIT"));
        for sql in &all[1..all.len() - 1] {
            for word in ["COMMIT", "BEGIN", "TRUNCATE", "ROLLBACK", "VACUUM"] {
                assert!(!sql.starts_with(word), "{sql}");
            }
        }
    }
}
