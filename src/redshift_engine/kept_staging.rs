//! Protects tables of the user that have the names of the staging tables that `--keep-staging` replaces.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::input::RecordKind;
use crate::model::StagingColumn;
use crate::pipeline::record_schema;
use crate::warehouse::connect::error::{StatementError, fatal};
use crate::warehouse::connect::session::{ResultRow, WarehouseSession};
use crate::warehouse::query_result::unexpected_result;

/// The name that `format_type` has for the type of the columns.
const COLUMN_TYPE: &str = "character varying(65535)";

/// Checks that the staging tables that exist are those of an earlier run, so that a run may replace them.
///
/// # Errors
/// Returns an error if a table or view of that name has other columns, or if the query fails.
pub(super) fn ensure_replaceable(
    session: &mut WarehouseSession,
) -> std::result::Result<(), StatementError> {
    let rows = session.query(&relations_query())?;
    let relations = read_relations(rows).map_err(fatal)?;
    for kind in RECORD_KINDS {
        let record = record_schema(kind);
        let name = record.staging_table();
        if let Some(relation) = relations.get(&name)
            && let Some(reason) = relation.difference(&record.staging_columns())
        {
            return Err(fatal(
                Error::failed(format!("cannot replace {name}"))
                    .with_reason(reason)
                    .with_hint("rename or drop it, or leave out --keep-staging"),
            ));
        }
    }
    Ok(())
}

const RECORD_KINDS: [RecordKind; 2] = RecordKind::ALL;

/// A table, a view or the like.
#[derive(Debug, Default)]
struct Relation {
    is_table: bool,
    /// Names and types, in order.
    columns: Vec<(String, String)>,
}

impl Relation {
    /// Returns the first difference from a staging table with these columns.
    fn difference(&self, expected: &[StagingColumn]) -> Option<String> {
        if !self.is_table {
            return Some("it is not a table".to_owned());
        }
        let difference = self.column_difference(expected)?;
        Some(format!(
            "its columns are not those of this version: {difference}"
        ))
    }

    fn column_difference(&self, expected: &[StagingColumn]) -> Option<String> {
        if self.columns.len() != expected.len() {
            return Some(format!(
                "it has {} columns, expected {}",
                self.columns.len(),
                expected.len()
            ));
        }
        let mut columns = (1..).zip(self.columns.iter().zip(expected));
        columns.find_map(|(number, ((name, type_name), expected))| {
            let is_equal = *name == expected.name && type_name == COLUMN_TYPE;
            (!is_equal).then(|| {
                format!(
                    "column {number} is `{name} {type_name}`, expected `{} {COLUMN_TYPE}`",
                    expected.name
                )
            })
        })
    }
}

/// Returns the query for the relations of these names: name, kind, and each column with its type.
fn relations_query() -> String {
    let names = RECORD_KINDS.map(|kind| format!("'{}'", record_schema(kind).staging_table()));
    format!(
        "SELECT c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relname IN ({})
    AND a.attnum > 0
    AND NOT a.attisdropped
    AND pg_table_is_visible(c.oid)
ORDER BY c.relname, a.attnum",
        names.join(", ")
    )
}

fn read_relations(rows: Vec<ResultRow>) -> Result<BTreeMap<String, Relation>> {
    let mut relations = BTreeMap::<String, Relation>::new();
    for row in rows {
        let Ok([Some(name), Some(kind), Some(column), Some(type_name)]) =
            <[Option<String>; 4]>::try_from(row)
        else {
            return Err(unexpected_result("the columns of the staging tables"));
        };
        let relation = relations.entry(name).or_default();
        relation.is_table = kind == "r";
        relation.columns.push((column, type_name));
    }
    Ok(relations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: [&str; 4]) -> ResultRow {
        fields.map(|field| Some(field.to_owned())).to_vec()
    }

    fn difference(rows: &[[&str; 4]]) -> Option<String> {
        let columns = ["level", "ts"].map(|key| StagingColumn {
            key,
            name: key.to_owned(),
        });
        let relations = read_relations(rows.iter().copied().map(row).collect()).unwrap();
        relations["staging_events"].difference(&columns)
    }

    const OTHER_COLUMNS: &str = "its columns are not those of this version";

    #[test]
    fn only_tables_with_the_same_columns_are_replaced() {
        let level = ["staging_events", "r", "level", COLUMN_TYPE];
        let ts = ["staging_events", "r", "ts", COLUMN_TYPE];
        assert_eq!(difference(&[level, ts]), None);
        for (rows, reason) in [
            (
                vec![level],
                format!("{OTHER_COLUMNS}: it has 1 columns, expected 2"),
            ),
            (
                vec![level, ["staging_events", "r", "ts", "bigint"]],
                format!("{OTHER_COLUMNS}: column 2 is `ts bigint`, expected `ts {COLUMN_TYPE}`"),
            ),
            (
                vec![level, level],
                format!(
                    "{OTHER_COLUMNS}: column 2 is `level {COLUMN_TYPE}`, expected `ts {COLUMN_TYPE}`"
                ),
            ),
            (
                vec![["staging_events", "v", "level", COLUMN_TYPE]],
                "it is not a table".to_owned(),
            ),
        ] {
            assert_eq!(difference(&rows), Some(reason));
        }
    }

    #[test]
    fn unreadable_rows_are_errors() {
        read_relations(vec![vec![None; 4]]).unwrap_err();
        read_relations(vec![Vec::new()]).unwrap_err();
    }
}
