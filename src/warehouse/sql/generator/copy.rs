//! Fills the staging tables.

use super::clause::names;
use super::list::list_in_parentheses;
use super::temp_table::staged_name;
use crate::model::TableSchema;
use crate::warehouse::sql::statement::{Effect, Statement};

/// Where a COPY takes its rows from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RowSource<'a> {
    /// The client sends them, in the binary format of PostgreSQL.
    Client,
    /// Redshift reads the Parquet parts that a manifest lists.
    Manifest {
        /// The URL of the manifest, as an SQL literal.
        url: &'a str,
        /// The value of IAM_ROLE: the role with which Redshift reads the bucket.
        iam_role: &'a str,
    },
}

/// Returns the statement that copies the rows of a table into its staging table.
pub(crate) fn copy_statement(table: &'static TableSchema, source: RowSource<'_>) -> Statement {
    let columns = names(table.columns);
    let target = list_in_parentheses(&format!("COPY {} ", staged_name(table)), columns, 0);
    let source = match source {
        RowSource::Client => "STDIN WITH (FORMAT \"binary\")".to_owned(),
        RowSource::Manifest { url, iam_role } => {
            format!("{url} IAM_ROLE {iam_role} FORMAT AS PARQUET MANIFEST")
        }
    };
    Statement::new(Effect::Copy(table), format!("{target}\nFROM {source}"))
}
