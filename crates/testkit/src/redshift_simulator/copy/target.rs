//! The table that a COPY loads, and the columns that the files fill.

use crate::redshift_simulator::copy::statement::{CopyFormat, CopyStatement};
use crate::redshift_simulator::pg_session::{PgSession, ResultRow, quote_literal};
use crate::redshift_simulator::protocol::{SessionResult, SqlError};
use crate::redshift_simulator::target_column::TargetColumn;

/// The table that a COPY loads.
pub struct CopyTarget {
    /// The name as written.
    pub table: String,
    pub table_id: u32,
    /// The columns that the files fill, by position.
    pub columns: Vec<TargetColumn>,
}

impl CopyTarget {
    /// Looks up the table and the columns in the catalog.
    pub fn look_up(copy: &CopyStatement, backend: &mut PgSession) -> SessionResult<Self> {
        let sql = format!(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull, attidentity <> '', attrelid \
             FROM pg_attribute WHERE attrelid = {}::regclass AND attnum > 0 AND NOT attisdropped \
             ORDER BY attnum",
            quote_literal(&copy.table)
        );
        let mut table_id = 0;
        let column = |row: ResultRow| {
            let text = |at: usize| row[at].clone().unwrap_or_default();
            table_id = text(4).parse().unwrap();
            let column = TargetColumn::new(&text(0), &text(1), text(2) == "t");
            (column, text(3) == "t")
        };
        let all: Vec<(TargetColumn, bool)> =
            backend.run_sql(&sql)?.into_iter().map(column).collect();
        let has_ids = matches!(&copy.format, CopyFormat::Parquet(options) if options.explicit_ids);
        let columns = match &copy.columns {
            Some(listed) => listed_columns(&copy.table, listed, &all, has_ids)?,
            None => {
                let filled = all.into_iter().filter(|(_, id)| !id || has_ids);
                filled.map(|(column, _)| column).collect()
            }
        };
        Ok(Self {
            table: copy.table.clone(),
            table_id,
            columns,
        })
    }

    /// Starts a binary COPY of PostgreSQL into the columns.
    pub fn start_copy(&self, backend: &mut PgSession) -> SessionResult<()> {
        let listed: Vec<String> = self.columns.iter().map(TargetColumn::quoted_name).collect();
        backend.copy_in(&format!(
            "COPY {} ({}) FROM STDIN (FORMAT binary)",
            self.table,
            listed.join(", ")
        ))
    }
}

/// Returns the columns of a column list.
fn listed_columns(
    table: &str,
    listed: &[String],
    all: &[(TargetColumn, bool)],
    has_ids: bool,
) -> Result<Vec<TargetColumn>, SqlError> {
    let mut columns: Vec<TargetColumn> = Vec::new();
    for name in listed {
        let found = all.iter().find(|(column, _)| column.name == *name);
        let (column, id) = found.ok_or_else(|| {
            let message = format!("column \"{name}\" of relation \"{table}\" does not exist");
            SqlError::new("42703", message)
        })?;
        if columns.iter().any(|other| other.name == *name) {
            let message = format!("column \"{name}\" specified more than once");
            return Err(SqlError::new("42701", message));
        }
        if *id && !has_ids {
            let message = format!("cannot set identity column \"{name}\" without EXPLICIT_IDS");
            return Err(SqlError::unsupported(message));
        }
        columns.push(column.clone());
    }
    Ok(columns)
}
