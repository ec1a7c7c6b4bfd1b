//! Runs a COPY of raw records, and finds out which of them it could not read.
//!
//! With MAXERROR a COPY goes on after such records, and only system views list them. So the number in the notice of the
//! COPY is compared with the list: a view that lacks some of them, for now or for good, must not make rejects vanish.

use std::time::Duration;

use crate::error::Error;
use crate::interrupt;
use crate::model::RecordSchema;
use crate::warehouse::connect::error::{ErrorClass, StatementError, fatal};
use crate::warehouse::connect::session::{ResultRow, WarehouseSession};
use crate::warehouse::query_result::unexpected_result;
use crate::warehouse::sql::generator::{
    LoadErrorView, failed_copy_errors_query, load_errors_statement,
};

/// The result of a statement.
type Result<T> = std::result::Result<T, StatementError>;

/// How often each view is queried until it lists all records that a COPY could not read.
const MAX_QUERIES: u32 = 5;

/// How long to wait between two of these queries.
const QUERY_INTERVAL: Duration = Duration::from_secs(1);

/// What S3 says of a bucket in another region than a COPY names.
const WRONG_REGION_ERRORS: [&str; 3] = [
    "PermanentRedirect",
    "must be addressed using the specified endpoint",
    "AuthorizationHeaderMalformed",
];

/// The result of a COPY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JsonCopy {
    /// The id of its query.
    pub id: u64,
    /// The number of records that were loaded.
    pub rows: u64,
    /// The number of records that could not be read, if the server has said so.
    pub rejected: Option<u64>,
}

/// Runs a COPY. `last_copy` is the id of the last COPY of the session, or 0.
///
/// # Errors
/// Returns an error if the COPY fails.
pub(super) fn run_copy(
    session: &mut WarehouseSession,
    sql: &str,
    last_copy: u64,
) -> Result<JsonCopy> {
    session.take_notices();
    session
        .copy_from_s3(sql, last_copy)
        .map_err(with_region_hint)?;
    let notices = session.take_notices();
    let rows = session.query("SELECT pg_last_copy_id() AS id, pg_last_copy_count() AS rows")?;
    let numbers: Option<Vec<u64>> = rows
        .first()
        .map(|row| {
            row.iter()
                .map(|field| field.as_ref()?.parse().ok())
                .collect()
        })
        .unwrap_or_default();
    let Some([id, rows]) = numbers.as_deref() else {
        return Err(fatal(unexpected_result("the id of the COPY")));
    };
    let rejected = rejected_in(&notices);
    tracing::debug!(query_id = id, rows, ?rejected, "copied");
    Ok(JsonCopy {
        id: *id,
        rows: *rows,
        rejected,
    })
}

/// Returns the number of records that could not be read by the notices of a COPY. `None` if there are no such notices.
fn rejected_in(notices: &[String]) -> Option<u64> {
    let number_before = |text: &str| {
        let notice = notices.iter().find_map(|notice| notice.split_once(text));
        let (before, _) = notice?;
        before.split_whitespace().last()?.parse::<u64>().ok()
    };
    let rejected = number_before(" record(s) could not be loaded");
    rejected.or_else(|| number_before(" record(s) loaded successfully").map(|_| 0))
}

/// Returns the errors of the last COPY, a row for each record that it could not read. Fewer rows than the COPY has rejected
/// are an error, after a while.
///
/// # Errors
/// Returns an error if a query fails, or if the views do not list all records.
pub(super) fn read_load_errors(
    session: &mut WarehouseSession,
    record: &'static RecordSchema,
    views: &[LoadErrorView],
    copy: JsonCopy,
) -> Result<Vec<ResultRow>> {
    let mut listed = 0;
    // The next view has less to tell, so each is given some time.
    for view in views {
        for number in 1..=MAX_QUERIES {
            let rows = session.query(&load_errors_statement(record, *view).sql)?;
            if copy
                .rejected
                .is_none_or(|rejected| rows.len() as u64 >= rejected)
            {
                return Ok(rows);
            }
            listed = listed.max(rows.len());
            if number < MAX_QUERIES {
                interrupt::sleep(QUERY_INTERVAL).map_err(fatal)?;
            }
        }
    }
    Err(fatal(
        Error::failed(format!(
            "COPY could not read {} {} records, but the load error views list only {listed}",
            copy.rejected.unwrap_or_default(),
            record.name
        ))
        .with_hint("the warehouse is unchanged; check whether the user may read STL_LOAD_ERRORS or SYS_LOAD_ERROR_DETAIL, and run again"),
    ))
}

/// Returns the errors of a COPY that failed. There are none if the records are not the reason, or if no view can be read.
/// The transaction of the COPY has ended.
///
/// # Errors
/// Returns an error if the connection is lost.
pub(super) fn read_failed_copy_errors(
    session: &mut WarehouseSession,
    views: &[LoadErrorView],
    last_copy: u64,
) -> Result<Vec<ResultRow>> {
    for view in views {
        match session.query(&failed_copy_errors_query(*view, last_copy)) {
            Ok(rows) if rows.is_empty() => {}
            Ok(rows) => return Ok(rows),
            Err(failure) if failure.class == ErrorClass::Fatal => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(Vec::new())
}

/// Returns the load error views that the user may read. STL_LOAD_ERRORS comes first, because only that has texts of records.
/// This must not be called in a transaction, which a failed query would abort.
///
/// # Errors
/// Returns an error if the connection is lost, or if there is no view.
pub(super) fn readable_views(session: &mut WarehouseSession) -> Result<Vec<LoadErrorView>> {
    let mut readable = Vec::new();
    for (view, name) in [
        (LoadErrorView::Stl, "stl_load_errors"),
        (LoadErrorView::Sys, "sys_load_error_detail"),
    ] {
        match session.query(&format!("SELECT 1 FROM {name} LIMIT 0")) {
            Ok(_) => readable.push(view),
            Err(failure) if failure.class == ErrorClass::Fatal => {}
            Err(failure) => return Err(failure),
        }
    }
    if readable.is_empty() {
        return Err(fatal(
            Error::failed("cannot find out which records COPY cannot read")
                .with_reason("the user may read neither STL_LOAD_ERRORS nor SYS_LOAD_ERROR_DETAIL")
                .with_hint("ask for SELECT on one of them, or use --engine in-process"),
        ));
    }
    Ok(readable)
}

/// Names the flag that helps if COPY asked for a bucket in the wrong region.
fn with_region_hint(failure: StatementError) -> StatementError {
    let text = failure.error.to_string();
    match WRONG_REGION_ERRORS.iter().any(|error| text.contains(error)) {
        false => failure,
        true => StatementError {
            error: failure.error.add_hint(
                "the bucket is in another region than Redshift: name its region with --copy-region",
            ),
            ..failure
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_tell_the_number_of_rejects() {
        let rejected = |notices: &[&str]| {
            let notices: Vec<_> = notices.iter().map(|notice| (*notice).to_owned()).collect();
            rejected_in(&notices)
        };
        let loaded =
            "Load into table 'staging_events' completed, 94 record(s) loaded successfully.";
        let lost = "Load into table 'staging_events' completed, 6 record(s) could not be loaded.  \
                    Check 'stl_load_errors' system table for details.";
        assert_eq!(rejected(&[loaded, lost]), Some(6));
        assert_eq!(rejected(&[lost, loaded]), Some(6));
        assert_eq!(rejected(&[loaded]), Some(0));
        assert_eq!(rejected(&["something else"]), None);
        assert_eq!(rejected(&[]), None);
    }
}
