//! Creates the tables that raw records are copied into.

use crate::model::{ColumnSchema, ColumnType, EngineValue, Model, StagingColumn};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::generator::column::column_definitions;
use crate::warehouse::sql::statement::{Effect, Statement};

/// The type of all columns of raw records: texts of the maximum length.
pub(super) const RAW_TYPE: &str = "VARCHAR(65535)";

/// How the rows of tables that are copied into are distributed. By default each node has a whole copy of a table until that
/// is large.
const DISTRIBUTION: &str = "DISTSTYLE EVEN";

/// The table of the objects that are copied.
pub(super) const SOURCE_LIST: &str = "staging_objects";

/// The table of the records that COPY could not read, by object.
pub(super) const COPY_REJECTS: &str = "copy_rejects";

/// Returns the columns of the source objects that are known before COPY.
pub(super) fn source_list_columns(model: &Model) -> Vec<ColumnSchema> {
    let values = [
        EngineValue::ObjectKind,
        EngineValue::ObjectName,
        EngineValue::ObjectVersion,
    ];
    values.map(|value| source_column(model, value)).to_vec()
}

/// Returns the column of the source objects that has a value.
#[expect(
    clippy::expect_used,
    reason = "the check of a model ensures that the source objects have all values"
)]
pub(super) fn source_column(model: &Model, value: EngineValue) -> ColumnSchema {
    let column = model.source_objects().engine_column(value);
    *column.expect("the source objects have this value")
}

/// Returns the statements that create the tables of raw records, and those of the objects that they are from. With `keep`
/// the raw records stay after the load, and replace those of an earlier load.
pub(crate) fn raw_staging_statements(model: &Model, keep: bool) -> Vec<Statement> {
    let mut statements = Vec::new();
    for &record in model.records {
        let table = record.staging_table();
        let columns = record.staging_columns();
        let width = columns.iter().map(|column| column.name.len()).max();
        let definition =
            |column: &StagingColumn| format!("{:1$} {RAW_TYPE}", column.name, width.unwrap_or(0));
        let definitions: Vec<_> = columns.iter().map(definition).collect();
        let temp = if keep { "" } else { "TEMP " };
        let create = format!(
            "CREATE {temp}TABLE {table} (\n    {}\n)\n{DISTRIBUTION}",
            definitions.join(",\n    ")
        );
        if keep {
            let drop = format!("DROP TABLE IF EXISTS {table}");
            statements.push(Statement::new(Effect::DropRaw(record), drop).blocking());
            statements.push(Statement::new(Effect::CreateRaw(record), create));
        } else {
            statements.push(temporary(create));
        }
    }
    statements[0].comment = "The raw records: all values as text, null if a record lacks the key. They are distributed evenly, \
                             because by default each node has a whole copy of a table until that is large."
        .to_owned();

    let source_list = source_list_columns(model);
    statements.push(
        create_temp(SOURCE_LIST, &source_list, &format!("\n{DISTRIBUTION}"))
            .with_comment("The objects that the records are copied from."),
    );
    let rejects = [source_list[0], source_list[1], rejected_column(model)];
    statements.push(create_temp(COPY_REJECTS, &rejects, "").with_comment(
        "The number of records of each object that COPY could not read. sparkify fills it; with psql it stays empty.",
    ));
    statements
}

/// Returns the column of the number of rejected records.
pub(super) fn rejected_column(model: &Model) -> ColumnSchema {
    let column = source_column(model, EngineValue::RejectedRecords);
    debug_assert_eq!(column.ty, ColumnType::BigInt);
    column
}

fn create_temp(name: &str, columns: &[ColumnSchema], attributes: &str) -> Statement {
    let columns = column_definitions(columns, Dialect::Redshift).join(",\n    ");
    temporary(format!(
        "CREATE TEMP TABLE {name} (\n    {columns}\n){attributes}"
    ))
}

fn temporary(sql: String) -> Statement {
    Statement::new(Effect::Temporary, sql)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sparkify::{EVENT_RECORD, SONG_RECORD, SPARKIFY};

    /// The order is that of the public `log_json_path.json`.
    #[test]
    fn columns_of_events_are_in_the_order_of_the_public_paths() {
        let keys: Vec<_> = EVENT_RECORD
            .staging_columns()
            .iter()
            .map(|column| column.key)
            .collect();
        let expected = [
            "artist",
            "auth",
            "firstName",
            "gender",
            "itemInSession",
            "lastName",
            "length",
            "level",
            "location",
            "method",
            "page",
            "registration",
            "sessionId",
            "song",
            "status",
            "ts",
            "userAgent",
            "userId",
        ];
        assert_eq!(keys, expected);
        assert_eq!(EVENT_RECORD.staging_columns()[4].name, "iteminsession");
    }

    #[test]
    fn tables_of_raw_records_are_kept_on_demand() {
        let sql = |keep| -> Vec<String> {
            let statements = raw_staging_statements(&SPARKIFY, keep).into_iter();
            statements.map(|statement| statement.sql).collect()
        };
        let songs = SONG_RECORD.staging_table();
        assert!(sql(false)[0].starts_with(&format!("CREATE TEMP TABLE {songs} (")));
        assert_eq!(sql(true)[0], format!("DROP TABLE IF EXISTS {songs}"));
        assert!(sql(true)[1].starts_with(&format!("CREATE TABLE {songs} (")));
        // The others belong to the load.
        assert_eq!(sql(false)[2..], sql(true)[4..]);
    }

    /// A drop waits for those who read the raw records of an earlier load.
    #[test]
    fn drops_of_kept_tables_may_block() {
        let effects = |keep| -> Vec<_> {
            let statements = raw_staging_statements(&SPARKIFY, keep).into_iter();
            statements
                .map(|statement| (statement.effect, statement.may_block))
                .collect()
        };
        assert_eq!(effects(false), [(Effect::Temporary, false); 4]);
        let expected = [
            (Effect::DropRaw(&SONG_RECORD), true),
            (Effect::CreateRaw(&SONG_RECORD), false),
            (Effect::DropRaw(&EVENT_RECORD), true),
            (Effect::CreateRaw(&EVENT_RECORD), false),
        ];
        assert_eq!(effects(true)[..4], expected);
    }
}
