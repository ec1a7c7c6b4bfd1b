//! Describes a statement of SQL together with what is known of it, so that nothing has to read its text.

use crate::model::{RecordSchema, TableSchema};

/// A statement, without the semicolon at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The text.
    pub sql: String,
    /// What it does.
    pub effect: Effect,
    /// Whether it may have to wait long for the locks of other sessions, so that a warning about the wait is useful.
    /// Statements that wait at most for a moment are not marked.
    pub may_block: bool,
    /// The columns that an UPDATE sets.
    pub updated_columns: Vec<&'static str>,
    /// Why it is there, in full sentences: a comment of the scripts in `sql/`; empty if there is nothing to say.
    pub comment: String,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Begins the transaction.
    Begin,
    /// Waits for other loads and keeps them out until the transaction ends.
    Lock,
    /// Lists the runs in the load history.
    LoadedRuns,
    /// Creates a table, or changes how the table that was just created is stored.
    Create(&'static TableSchema),
    /// Renames a table, or adds a column to it.
    Alter(&'static TableSchema),
    /// Drops a table.
    Drop(&'static TableSchema),
    /// Creates or changes what ends with the session or the transaction: temporary tables, settings, statistics.
    Temporary,
    /// Creates, replaces or drops a view for analysts.
    View,
    /// Drops the permanent table of raw records of a kind.
    DropRaw(&'static RecordSchema),
    /// Creates the permanent table of raw records of a kind.
    CreateRaw(&'static RecordSchema),
    /// Drops the constraints that the load adds again.
    DropConstraints,
    /// Adds or checks constraints.
    Constraints,
    /// Fills the staging table of a table.
    Copy(&'static TableSchema),
    /// Adds raw records to the table of their kind.
    CopyRecords(&'static RecordSchema),
    /// Fills the table of the objects that raw records are copied from.
    CopySourceObjects,
    /// Fills the staging table of a table with what follows from the raw records.
    Transform(&'static TableSchema),
    /// Inserts rows into a table.
    Insert(&'static TableSchema),
    /// Updates rows of a table.
    Update(&'static TableSchema),
    /// Deletes rows of a table.
    Delete(&'static TableSchema),
    /// Returns rows that are checked.
    Check(Check),
    /// Commits the transaction.
    Commit,
}

/// What the result of a query shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// The number of rows in each staging table: name of the table and count.
    StagedRows,
    /// The tables that a full refresh has not emptied: name of the table.
    Emptied,
    /// Rows of the star schema that have no merge state: name of the state table and count.
    MergeState,
    /// Merged rows that are missing or differ: name of the table and count.
    MergedRows,
    /// By how many rows the tables have grown, if a table has side effects such as triggers: name of the table and count.
    RowDeltas,
    /// The errors of the COPY of raw records before it, a row each: object, line, column, code, message and the beginning of
    /// the record's text.
    LoadErrors(&'static RecordSchema),
    /// The number of raw records of each kind: name of the record, staged, filtered, rejected, valid and distinct records.
    RecordCounts,
    /// The rejected records of a kind: reason, key, detail and all staged columns.
    RejectedRecords(&'static RecordSchema),
    /// What the report of a run says about the staged rows of the fact table: how many match a row of the lookup table, and
    /// the time of the first and of the last.
    FactSummary,
}

impl Statement {
    /// Returns a statement that is not expected to wait long for locks.
    pub(crate) fn new(effect: Effect, sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            effect,
            may_block: false,
            updated_columns: Vec::new(),
            comment: String::new(),
        }
    }

    /// Returns the same statement, which may have to wait long for the locks of other sessions.
    pub(crate) fn blocking(self) -> Self {
        Self {
            may_block: true,
            ..self
        }
    }

    /// Returns the same statement with a comment.
    pub(crate) fn with_comment(self, comment: impl Into<String>) -> Self {
        Self {
            comment: comment.into(),
            ..self
        }
    }
}

/// Returns statements as a script, without their comments.
pub(crate) fn to_sql_script(statements: &[Statement]) -> String {
    let text = statements
        .iter()
        .map(|statement| format!("{};\n", statement.sql));
    text.collect::<Vec<_>>().join("\n")
}
