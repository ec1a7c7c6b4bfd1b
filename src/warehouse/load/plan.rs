//! Plans the transaction of a load: the statements in order, which are complete before a connection is opened.

use super::mode::LoadMode;
use crate::error::Result;
use crate::model::sparkify::SPARKIFY;
use crate::model::{EngineValue, Model, TableSchema};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::iam_role::IamRole;
use crate::warehouse::sql::generator::{
    RowSource, begin_statement, commit_statement, copy_statement, emptied_statement,
    lock_statement, merge_statements, missing_state_statement, refresh_statements,
    row_deltas_statement, staged_rows_statement, staging_statements, verify_statement,
    with_constraints_dropped,
};
use crate::warehouse::sql::literal::quote_literal;
use crate::warehouse::sql::statement::{Effect, Statement};

/// Returns the statements of a load. `fill` are those that fill the staging tables.
///
/// # Errors
/// Returns an error if a name cannot be quoted in SQL.
pub(crate) fn load_statements(
    dialect: Dialect,
    run: &str,
    mode: &LoadMode,
    fill: Vec<Statement>,
) -> Result<Vec<Statement>> {
    let model = &SPARKIFY;
    let run = quote_literal(run)?;
    let mut statements = vec![
        begin_statement(),
        lock_statement(model, dialect),
        Statement::new(Effect::LoadedRuns, loaded_runs_query(model)),
    ];
    statements.extend(staging_statements(model, dialect));
    match mode {
        LoadMode::Incremental => {}
        LoadMode::FullRefresh { .. } => {
            statements.extend(refresh_statements(model, dialect));
            statements.push(emptied_statement(model));
        }
    }
    statements.extend(fill);
    statements.push(staged_rows_statement(model));
    statements.push(missing_state_statement(model));
    let merge = merge_statements(model, dialect, &run);
    statements.extend(with_constraints_dropped(model, dialect, merge));
    statements.push(verify_statement(model, dialect, &run));
    match dialect {
        // Redshift has no triggers or rules that could insert or delete other rows.
        Dialect::Redshift => {}
        Dialect::Postgres => statements.push(row_deltas_statement(model)),
    }
    statements.push(commit_statement());
    Ok(statements)
}

/// Returns the query for the runs in the load history.
pub(super) fn loaded_runs_query(model: &Model) -> String {
    let (table, run) = (
        model.load_history.name,
        model.history_column(EngineValue::Run),
    );
    format!("SELECT DISTINCT {run} FROM {table}")
}

/// What the COPY statements of a dataset depend on.
pub(crate) struct ParquetParams<'a> {
    /// Kind of warehouse.
    pub dialect: Dialect,
    /// Role with which Redshift reads the bucket.
    pub iam_role: &'a IamRole,
    /// Returns the URL of the COPY manifest of a table.
    pub manifest: &'a dyn Fn(&TableSchema) -> String,
    /// Returns true if a table has rows.
    pub has_rows: &'a dyn Fn(&TableSchema) -> bool,
}

/// Returns the statements that fill the staging tables of the tables that have rows, because a COPY of no files is an
/// error.
///
/// # Errors
/// Returns an error if a name cannot be quoted in SQL.
pub(crate) fn parquet_copy_statements(params: &ParquetParams<'_>) -> Result<Vec<Statement>> {
    let iam_role = params.iam_role.to_string();
    let copy = |table| match params.dialect {
        Dialect::Redshift => {
            let url = quote_literal(&(params.manifest)(table))?;
            let source = RowSource::Manifest {
                url: &url,
                iam_role: &iam_role,
            };
            Ok(copy_statement(table, source))
        }
        Dialect::Postgres => Ok(copy_statement(table, RowSource::Client)),
    };
    let tables = SPARKIFY.dataset_tables_by_dependency().into_iter();
    tables
        .filter(|table| (params.has_rows)(table))
        .map(copy)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::warehouse::sql::statement::Check;

    fn plan(dialect: Dialect, mode: &LoadMode) -> Vec<Statement> {
        let params = ParquetParams {
            dialect,
            iam_role: &IamRole::Default,
            manifest: &|table| format!("s3://bucket/{}.manifest", table.name),
            has_rows: &|_| true,
        };
        let fill = parquet_copy_statements(&params).unwrap();
        load_statements(dialect, "it's a run", mode, fill).unwrap()
    }

    /// Returns the plans of all kinds of loads.
    fn plans() -> Vec<Vec<Statement>> {
        let runs_before = HashSet::new();
        let modes = [LoadMode::Incremental, LoadMode::FullRefresh { runs_before }];
        let dialects = [Dialect::Redshift, Dialect::Postgres];
        let kinds = dialects
            .iter()
            .flat_map(|dialect| modes.iter().map(|mode| (*dialect, mode)));
        kinds.map(|(dialect, mode)| plan(dialect, mode)).collect()
    }

    /// A load begins with the lock and ends with COMMIT, and no other statement commits.
    #[test]
    fn load_is_one_transaction() {
        for statements in plans() {
            let [begin, lock, between @ .., commit] = &statements[..] else {
                panic!("a load has several statements")
            };
            assert_eq!((begin.effect, begin.sql.as_str()), (Effect::Begin, "BEGIN"));
            assert_eq!(lock.effect, Effect::Lock);
            assert_eq!(
                (commit.effect, commit.sql.as_str()),
                (Effect::Commit, "COMMIT")
            );
            for Statement { effect, sql, .. } in between {
                assert!(!matches!(
                    effect,
                    Effect::Begin | Effect::Lock | Effect::Commit
                ));
                for word in ["COMMIT", "BEGIN", "END", "TRUNCATE", "ROLLBACK", "VACUUM"] {
                    assert!(!sql.starts_with(word), "{sql}");
                }
            }
        }
    }

    /// What a statement is said to do, it does.
    #[test]
    fn effects_match_the_text() {
        for statement in plans().into_iter().flatten() {
            let Statement { effect, sql, .. } = &statement;
            let (start, table) = match effect {
                Effect::Lock => ("LOCK ", Some(SPARKIFY.load_history)),
                Effect::Copy(table) => ("COPY staged_", Some(*table)),
                Effect::CopyRecords(_) => ("COPY staging_", None),
                Effect::CopySourceObjects => ("COPY staging_objects", None),
                Effect::Transform(table) => ("INSERT INTO staged_", Some(*table)),
                Effect::Insert(table) => ("INSERT INTO ", Some(*table)),
                Effect::Update(table) => ("UPDATE ", Some(*table)),
                Effect::Delete(table) => ("DELETE FROM ", Some(*table)),
                Effect::LoadedRuns | Effect::Check(_) => ("SELECT ", None),
                Effect::Begin
                | Effect::Create(_)
                | Effect::Alter(_)
                | Effect::Drop(_)
                | Effect::View
                | Effect::Temporary
                | Effect::DropRaw(_)
                | Effect::CreateRaw(_)
                | Effect::DropConstraints
                | Effect::Constraints
                | Effect::Commit => ("", None),
            };
            assert!(sql.starts_with(start), "{statement:?}");
            if let Some(table) = table {
                let target = sql[start.len()..].trim_start_matches("TABLE ");
                let word = target.split_whitespace().next();
                assert_eq!(word, Some(table.name), "{statement:?}");
            }
        }
    }

    #[test]
    fn only_waiting_statements_warn() {
        for statements in plans() {
            for Statement {
                effect, may_block, ..
            } in statements
            {
                let waits = matches!(effect, Effect::Lock | Effect::DropConstraints);
                assert_eq!(may_block, waits, "{effect:?}");
            }
        }
    }

    #[test]
    fn full_refresh_empties_every_table() {
        for dialect in [Dialect::Redshift, Dialect::Postgres] {
            let runs_before = HashSet::new();
            let statements = plan(dialect, &LoadMode::FullRefresh { runs_before });
            let check = Effect::Check(Check::Emptied);
            let end = statements.iter().position(|s| s.effect == check).unwrap();
            for table in SPARKIFY.warehouse_tables() {
                let is_deleted = statements[..end]
                    .iter()
                    .any(|s| s.effect == Effect::Delete(table));
                assert!(is_deleted, "{}", table.name);
            }
            let incremental = plan(dialect, &LoadMode::Incremental);
            assert!(incremental.iter().all(|s| s.effect != check));
        }
    }

    #[test]
    fn tables_without_rows_are_not_copied() {
        let params = ParquetParams {
            dialect: Dialect::Redshift,
            iam_role: &IamRole::Default,
            manifest: &|table| format!("s3://bucket/it's/{}.manifest", table.name),
            has_rows: &|table| table.name == "users",
        };
        let copies = parquet_copy_statements(&params).unwrap();
        let [copy] = &copies[..] else {
            panic!("one table is copied: {copies:?}")
        };
        let source =
            "FROM 's3://bucket/it''s/users.manifest' IAM_ROLE default FORMAT AS PARQUET MANIFEST";
        assert!(copy.sql.ends_with(source), "{}", copy.sql);
    }

    #[test]
    fn run_is_a_literal() {
        for statements in plans() {
            let history = Effect::Insert(SPARKIFY.load_history);
            let insert = statements.iter().find(|s| s.effect == history).unwrap();
            assert!(insert.sql.contains("'it''s a run'"), "{}", insert.sql);
        }
    }
}
