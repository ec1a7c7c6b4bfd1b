//! Generates the statement that records the loaded objects.

use super::rows::insert_absent;
use crate::model::{ColumnSchema, EngineValue, Model, ValueSource};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::generator::temp_table::staged_name;
use crate::warehouse::sql::statement::Statement;

/// Returns the statement that inserts the objects of the run, unless they are in the history already.
pub(crate) fn record_history(model: &Model, dialect: Dialect, run: &str) -> Statement {
    let source = model.source_objects();
    let columns = model.load_history.columns.iter();
    let values: Vec<String> = columns
        .map(|column| history_value(model, dialect, run, column))
        .collect();
    insert_absent(
        model.load_history,
        &values,
        &format!("{} s", staged_name(source)),
        &recorded_conditions(model, run, "s"),
    )
    .with_comment("Record the loaded objects.")
}

/// Returns the value of a column of the history, for a source object `s`.
fn history_value(model: &Model, dialect: Dialect, run: &str, column: &ColumnSchema) -> String {
    let ValueSource::Engine(value) = column.source else {
        unreachable!("the history has no values of records")
    };
    let expression = match (value, dialect) {
        (EngineValue::Run, _) => run,
        (EngineValue::LoadedAt, Dialect::Postgres) => "now() AT TIME ZONE 'UTC'",
        (EngineValue::LoadedAt, Dialect::Redshift) => "GETDATE()",
        (EngineValue::LoadedBy, _) => "CURRENT_USER",
        (EngineValue::LoadSeconds, Dialect::Postgres) => {
            "EXTRACT(EPOCH FROM clock_timestamp() - now())"
        }
        // SYSDATE is the start of the transaction, and GETDATE() that of the statement, in whole seconds.
        (EngineValue::LoadSeconds, Dialect::Redshift) => "DATEDIFF(second, SYSDATE, GETDATE())",
        (
            EngineValue::ObjectKind
            | EngineValue::ObjectName
            | EngineValue::ObjectVersion
            | EngineValue::KeptRecords
            | EngineValue::RejectedRecords
            | EngineValue::RejectedBytes,
            _,
        ) => return format!("s.{}", source_column(model, value).name),
    };
    expression.to_owned()
}

/// Returns the conditions that a row `w` of the history is that of the run and of an object of the source objects.
fn recorded_conditions(model: &Model, run: &str, source: &str) -> Vec<String> {
    let mut conditions = vec![format!(
        "w.{} = {run}",
        model.history_column(EngineValue::Run)
    )];
    let identity = [EngineValue::ObjectKind, EngineValue::ObjectName];
    conditions.extend(identity.map(|value| {
        let (recorded, column) = (model.history_column(value), source_column(model, value));
        format!("w.{recorded} = {source}.{}", column.name)
    }));
    conditions
}

/// Returns the column of the source objects that has a value.
#[expect(
    clippy::expect_used,
    reason = "the check of a model ensures that the source objects have all values"
)]
fn source_column(model: &Model, value: EngineValue) -> &'static ColumnSchema {
    let column = model.source_objects().engine_column(value);
    column.expect("the source objects have this value")
}
