//! Writes the statements of `create-tables`, for a request.

use super::dialect::Dialect;
use super::sql::generator::{
    begin_statement, changes_since_first_version, commit_statement, create_statements,
    drop_statements, upgrade_lock_statement, upgrade_statements,
};
use super::sql::statement::{Effect, Statement, to_sql_script};
use super::views::{create_view_statements, drop_all_view_statements};
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;

/// What happens to the tables that exist, before the missing ones are created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExistingTables {
    /// They stay as they are, and must match.
    #[default]
    Keep,
    /// Those of an older version are upgraded, with their rows.
    Upgrade,
    /// They are dropped.
    Drop,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TablesRequest {
    /// What happens to the tables that exist.
    pub existing: ExistingTables,
    /// Whether the views for analysts are created, too.
    pub views: bool,
}

/// Returns the SQL script that creates all tables, after it has dropped them if that is asked for; or the one that
/// upgrades those of version 0.1.0. Only a connection to the warehouse tells which tables it has.
pub(crate) fn ddl_script(dialect: Dialect, request: TablesRequest) -> String {
    let all: Vec<_> = SPARKIFY.warehouse_tables().collect();
    let views = request.view_statements();
    to_sql_script(&match request.existing {
        ExistingTables::Keep => ddl_transaction(dialect, &[], &all, views),
        ExistingTables::Drop => {
            let mut drops = drop_all_view_statements();
            drops.extend(drop_statements(&SPARKIFY));
            ddl_transaction(dialect, &drops, &all, views)
        }
        ExistingTables::Upgrade => {
            let changes = changes_since_first_version(&SPARKIFY);
            let mut statements = vec![
                begin_statement(),
                upgrade_lock_statement(&SPARKIFY, dialect),
            ];
            statements.extend(upgrade_statements(&SPARKIFY, dialect, &changes));
            statements.extend(views);
            statements.push(commit_statement());
            statements
        }
    })
}

impl TablesRequest {
    /// Returns the statements that create the views that are asked for.
    pub(super) fn view_statements(self) -> Vec<Statement> {
        match self.views {
            true => create_view_statements(),
            false => Vec::new(),
        }
    }
}

/// Returns the transaction that creates the missing tables, between other statements.
pub(super) fn ddl_transaction(
    dialect: Dialect,
    before: &[Statement],
    missing: &[&'static TableSchema],
    after: Vec<Statement>,
) -> Vec<Statement> {
    let mut statements = vec![begin_statement()];
    statements.extend_from_slice(before);
    statements.extend(missing_table_ddl(dialect, missing));
    statements.extend(after);
    // Another session that creates the same tables is waited for here.
    statements.push(commit_statement().blocking());
    statements
}

/// Returns the statements that create the missing tables. A table may exist in another schema of the search path, where
/// a new one must not hide it, so the statements for existing tables are left out.
pub(crate) fn missing_table_ddl(
    dialect: Dialect,
    missing: &[&'static TableSchema],
) -> Vec<Statement> {
    let mut statements = create_statements(&SPARKIFY, dialect);
    statements.retain(
        |statement| matches!(statement.effect, Effect::Create(table) if missing.contains(&table)),
    );
    statements
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sparkify::{LOAD_HISTORY, SONGPLAYS, STATE_SONGPLAYS, USERS};

    /// An index or a setting belongs to its table, and is not changed if the table exists.
    #[test]
    fn only_missing_tables_are_created() {
        let effects = |dialect, missing: &[&'static TableSchema]| -> Vec<Effect> {
            let statements = missing_table_ddl(dialect, missing);
            statements
                .iter()
                .map(|statement| statement.effect)
                .collect()
        };
        for dialect in [Dialect::Redshift, Dialect::Postgres] {
            assert_eq!(effects(dialect, &[]), []);
            assert_eq!(effects(dialect, &[&USERS]), [Effect::Create(&USERS)]);
        }
        let missing: [&TableSchema; 3] = [&LOAD_HISTORY, &SONGPLAYS, &STATE_SONGPLAYS];
        let create = [&SONGPLAYS, &STATE_SONGPLAYS, &LOAD_HISTORY].map(Effect::Create);
        assert_eq!(effects(Dialect::Redshift, &missing), create);
        let twice: Vec<_> = create.iter().flat_map(|effect| [*effect; 2]).collect();
        assert_eq!(effects(Dialect::Postgres, &missing), twice);
    }

    #[test]
    fn script_is_one_transaction() {
        let drop = drop_statements(&SPARKIFY);
        let statements = ddl_transaction(Dialect::Postgres, &drop, &[&USERS], Vec::new());
        let effects: Vec<_> = statements
            .iter()
            .map(|statement| statement.effect)
            .collect();
        assert_eq!(effects.first(), Some(&Effect::Begin));
        let drops = SPARKIFY.warehouse_tables().count();
        assert!(matches!(effects[1..=drops].last(), Some(Effect::Drop(_))));
        assert_eq!(
            effects[drops + 1..],
            [Effect::Create(&USERS), Effect::Commit]
        );
        assert!(statements.last().is_some_and(|commit| commit.may_block));
    }
}
