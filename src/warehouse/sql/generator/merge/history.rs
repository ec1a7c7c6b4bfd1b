//! Generates the statement that records the loaded objects.

use super::rows::insert_absent;
use crate::model::{ColumnSchema, Model};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::generator::expression::{equal, qualified};
use crate::warehouse::sql::generator::temp_table::staged_name;
use crate::warehouse::sql::statement::Statement;

/// Returns the statement that inserts the objects of the run, unless they are in the history already.
pub(crate) fn record_history(model: &Model, dialect: Dialect, run: &str) -> Statement {
    let source = model.source_objects();
    let now = match dialect {
        Dialect::Postgres => "now() AT TIME ZONE 'UTC'",
        Dialect::Redshift => "GETDATE()",
    };
    let mut values = vec![run.to_owned()];
    values.extend(qualified(source.columns, "s"));
    values.push(now.to_owned());
    insert_absent(
        model.load_history,
        &values,
        &format!("{} s", staged_name(source)),
        &recorded_conditions(model, run, "s"),
    )
    .with_comment("Record the loaded objects.")
}

/// Returns the conditions that a row `w` of the history is that of the run and of an object of the source objects.
pub(crate) fn recorded_conditions(model: &Model, run: &str, source: &str) -> Vec<String> {
    let run = format!("w.{} = {run}", model.load_history.columns[0].name);
    let mut conditions = vec![run];
    conditions.extend(equal(object(model), "w", source));
    conditions
}

/// Returns the column that identifies an object.
fn object(model: &Model) -> &'static [ColumnSchema] {
    &model.source_objects().columns[..1]
}
