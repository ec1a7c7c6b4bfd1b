//! TEMPORARY: reads the merge and the verification from the existing files, until they are generated.

use crate::model::Model;
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::statement::{Check, Effect, Statement};
use crate::warehouse::sql::template::split_statements;

pub(crate) fn merge_statements(model: &Model, dialect: Dialect, run: &str) -> Vec<Statement> {
    let script = match dialect {
        Dialect::Redshift => include_str!("../../../../sql/redshift/merge.sql"),
        Dialect::Postgres => include_str!("../../../../sql/postgres/merge.sql"),
    };
    split_statements(script)
        .into_iter()
        .filter(|sql| *sql != "COMMIT" && !sql.starts_with("DO ") && !sql.starts_with("SET "))
        .map(|sql| {
            let position = sql.as_ptr() as usize - script.as_ptr() as usize;
            let before = script[..position].lines().rev();
            let lines = before.take_while(|line| line.starts_with("-- "));
            let mut comment: Vec<_> = lines.map(|line| line.trim_start_matches("-- ")).collect();
            comment.reverse();
            let comment = comment.join(" ");
            let words: Vec<&str> = sql.split_whitespace().take(3).collect();
            let table = |name: &str| model.warehouse_tables().find(|table| table.name == name);
            let effect = match words[..] {
                ["UPDATE", name, ..] => table(name).map(Effect::Update),
                ["INSERT", "INTO", name] => table(name).map(Effect::Insert),
                ["DELETE", "FROM", name] => table(name).map(Effect::Delete),
                _ => None,
            };
            Statement::new(
                effect.unwrap_or(Effect::Temporary),
                sql.replace(":'run'", run),
            )
            .with_comment(comment)
        })
        .collect()
}

pub(crate) fn verify_statement(_model: &Model, dialect: Dialect, run: &str) -> Statement {
    let script = match dialect {
        Dialect::Redshift => include_str!("../../../../sql/redshift/verify.sql"),
        Dialect::Postgres => include_str!("../../../../sql/postgres/verify.sql"),
    };
    let sql = split_statements(script)[0].replace(":'run'", run);
    Statement::new(Effect::Check(Check::MergedRows), sql)
}
