//! Asks for the records that COPY could not read, and records how many there are.

use super::raw_staging::{COPY_REJECTS, rejected_column, source_list_columns};
use crate::model::{Model, RecordSchema};
use crate::warehouse::sql::literal::portable_literal;
use crate::warehouse::sql::statement::{Check, Effect, Statement};

/// A view of the errors of COPY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoadErrorView {
    /// STL_LOAD_ERRORS, which has the beginning of the text of each record, and which a cluster has.
    Stl,
    /// SYS_LOAD_ERROR_DETAIL, which has no text, and which every warehouse has.
    Sys,
}

/// Returns the query for the errors of the last COPY of the session, which read records of this kind. Columns of fixed
/// length end with blanks, which are removed.
pub(crate) fn load_errors_statement(
    record: &'static RecordSchema,
    view: LoadErrorView,
) -> Statement {
    let sql = match view {
        LoadErrorView::Stl => load_errors_query(view, "query = pg_last_copy_id()"),
        LoadErrorView::Sys => load_errors_query(view, "query_id = pg_last_copy_id()"),
    };
    Statement::new(Effect::Check(Check::LoadErrors(record)), sql)
}

/// Returns the query for the same columns of the errors of a COPY of this session that failed. `last_copy` is the id of the
/// last COPY before it.
pub(crate) fn failed_copy_errors_query(view: LoadErrorView, last_copy: u64) -> String {
    let condition = match view {
        LoadErrorView::Stl => format!("session = pg_backend_pid() AND query > {last_copy}"),
        LoadErrorView::Sys => format!("session_id = pg_backend_pid() AND query_id > {last_copy}"),
    };
    load_errors_query(view, &condition)
}

fn load_errors_query(view: LoadErrorView, condition: &str) -> String {
    match view {
        LoadErrorView::Stl => format!(
            "SELECT
    RTRIM(filename) AS object,
    line_number AS line,
    RTRIM(colname) AS column_name,
    err_code AS error_code,
    RTRIM(err_reason) AS message,
    RTRIM(raw_line) AS raw_text
FROM stl_load_errors
WHERE {condition}
ORDER BY object, line"
        ),
        LoadErrorView::Sys => format!(
            "SELECT
    RTRIM(file_name) AS object,
    line_number AS line,
    RTRIM(column_name) AS column_name,
    error_code,
    RTRIM(error_message) AS message,
    '' AS raw_text
FROM sys_load_error_detail
WHERE {condition}
ORDER BY object, line"
        ),
    }
}

/// The number of records of an object that COPY could not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CopyRejects {
    /// The kind of the object, as among the source objects.
    pub kind: &'static str,
    /// The URL of the object.
    pub object: String,
    /// The number of records.
    pub count: u64,
}

/// Returns the statement that records how many records of each object COPY could not read. There is at least one object.
pub(crate) fn insert_copy_rejects(model: &Model, rejects: &[CopyRejects]) -> Statement {
    let [kind, object, _] = &source_list_columns(model)[..] else {
        unreachable!("an object has a kind, a name and a version")
    };
    let row = |rejects: &CopyRejects| {
        let [kind, object] = [rejects.kind, &rejects.object].map(portable_literal);
        format!("({kind}, {object}, {})", rejects.count)
    };
    let rows: Vec<_> = rejects.iter().map(row).collect();
    let sql = format!(
        "INSERT INTO {COPY_REJECTS} ({}, {}, {}) VALUES\n    {}",
        kind.name,
        object.name,
        rejected_column(model).name,
        rows.join(",\n    ")
    );
    Statement::new(Effect::Temporary, sql)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sparkify::SPARKIFY;

    #[test]
    fn names_of_objects_cannot_end_a_literal() {
        let rejects = |object: &str, count| CopyRejects {
            kind: "log",
            object: object.to_owned(),
            count,
        };
        let rejects = [rejects("s3://b/it's", 1), rejects("s3://b/\\'; --", 20)];
        let expected = "INSERT INTO copy_rejects (kind, object, rejected_records) VALUES
    ('log', 's3://b/it''s', 1),
    ('log', 's3://b/' || CHR(92) || '''; --', 20)";
        assert_eq!(insert_copy_rejects(&SPARKIFY, &rejects).sql, expected);
    }
}
