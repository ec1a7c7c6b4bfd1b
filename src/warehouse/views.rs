//! The views for analysts: the scripts of `sql/analytics/views`, which the binary contains.
//!
//! The same SQL runs on Redshift, on PostgreSQL and on DuckDB. In Redshift they are plain views, which find their tables by
//! the search path once, when they are created; a late-binding view would need the name of the schema. A table that a view
//! reads cannot be dropped before it. Loads and upgrades drop no table, so that only `create-tables --drop` has to care.

use std::collections::BTreeMap;

use super::connect::error::{StatementError, fatal};
use super::connect::session::WarehouseSession;
use super::query_result::unexpected_result;
use super::sql::statement::{Effect, Statement};
use super::sql::template::split_statements;
use crate::error::Error;

/// A view for analysts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct View {
    /// Name of the view, which is also the name of its file.
    name: &'static str,
    script: &'static str,
}

macro_rules! views {
    ($($name:literal)*) => {
        [$(View {
            name: $name,
            script: include_str!(concat!("../../sql/analytics/views/", $name, ".sql")),
        }),*]
    };
}

/// All views. None reads another one.
static VIEWS: [View; 4] = views! {
    "user_level_history"
    "sessions"
    "calendar"
    "plays"
};

impl View {
    /// Returns the names of the columns, as the comment of the script lists them.
    fn columns(&self) -> Vec<&'static str> {
        let list = self.script.lines().skip_while(|line| *line != "--").skip(1);
        let list = list.take_while(|line| *line != "--");
        list.filter_map(|line| line.strip_prefix("-- ")?.split_whitespace().next())
            .collect()
    }
}

/// The names of the columns of each existing view that has the name of one of the views for analysts.
pub(crate) type ExistingViews = BTreeMap<String, Vec<String>>;

/// Reads the existing views.
///
/// # Errors
/// Returns an error if the query fails.
pub(crate) fn read_views(
    session: &mut WarehouseSession,
) -> std::result::Result<ExistingViews, StatementError> {
    let names = VIEWS.map(|view| format!("'{}'", view.name)).join(", ");
    let query = format!(
        "SELECT c.relname, a.attname
FROM pg_class c
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relname IN ({names})
    AND c.relkind = 'v'
    AND pg_table_is_visible(c.oid)
ORDER BY c.relname, a.attnum"
    );
    let mut views = ExistingViews::new();
    for row in session.query(&query)? {
        let Ok([Some(view), column]) = <[Option<String>; 2]>::try_from(row) else {
            return Err(fatal(unexpected_result("the columns of the views")));
        };
        // The catalog of Redshift has no columns of a late-binding view.
        views.entry(view).or_default().extend(column);
    }
    Ok(views)
}

/// Returns an error for the first existing view that has other columns: it belongs to another program.
pub(crate) fn foreign_view(existing: &ExistingViews) -> Option<Error> {
    let foreign = VIEWS
        .iter()
        .find(|view| existing.contains_key(view.name) && !is_own(view, existing))?;
    Some(
        Error::failed(format!("view {} has other columns", foreign.name))
            .with_reason("it may belong to another program")
            .with_hint("rename it or drop it, or leave out --views"),
    )
}

/// Returns the statements that create all views, or replace those that exist.
pub(crate) fn create_view_statements() -> Vec<Statement> {
    let scripts = VIEWS.iter().flat_map(|view| split_statements(view.script));
    scripts
        .map(|sql| Statement::new(Effect::View, sql).blocking())
        .collect()
}

/// Returns the statements that drop the existing views, except those that belong to another program.
pub(crate) fn drop_view_statements(existing: &ExistingViews) -> Vec<Statement> {
    VIEWS
        .iter()
        .filter(|view| is_own(view, existing))
        .map(drop_view_statement)
        .collect()
}

/// Returns the statements that drop all views that exist.
pub(crate) fn drop_all_view_statements() -> Vec<Statement> {
    VIEWS.iter().map(drop_view_statement).collect()
}

fn drop_view_statement(view: &View) -> Statement {
    let sql = format!("DROP VIEW IF EXISTS {}", view.name);
    Statement::new(Effect::View, sql).blocking()
}

/// Returns true if a view exists and has the columns of that of sparkify.
fn is_own(view: &View, existing: &ExistingViews) -> bool {
    existing
        .get(view.name)
        .is_some_and(|columns| *columns == view.columns())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn views_match_the_sql_files() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/analytics/views");
        let files = fs::read_dir(folder).unwrap();
        let files: BTreeSet<_> = files.map(|file| file.unwrap().file_name()).collect();
        let names = VIEWS.map(|view| format!("{}.sql", view.name).into());
        assert_eq!(BTreeSet::from(names), files);
    }

    #[test]
    fn scripts_are_single_statements_that_replace_the_view() {
        for view in VIEWS {
            let statements = split_statements(view.script);
            let [sql] = statements[..] else {
                panic!("{}: {statements:?}", view.name);
            };
            let create = format!("CREATE OR REPLACE VIEW {} AS\n", view.name);
            assert!(sql.starts_with(&create), "{sql}");
        }
    }
}
