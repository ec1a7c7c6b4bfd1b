//! Records each COPY for SYS_LOAD_HISTORY and SYS_QUERY_HISTORY.

use std::time::Duration;

use super::copy::{CopyContext, CopyStatement};
use super::protocol::{SessionError, SessionResult};
use super::state::SimulatorState;

/// A COPY that has ended.
pub struct CopyRecord {
    query_id: i64,
    process: i32,
    table: String,
    source: String,
    format: &'static str,
    seconds: f64,
    loaded_rows: i64,
    files: i32,
    bytes: i64,
    errors: i64,
    /// Why it failed, if it did.
    error_message: Option<String>,
}

impl CopyRecord {
    /// Returns the record of a COPY, before its errors are taken from the context.
    pub fn new<T>(
        copy: &CopyStatement,
        context: &CopyContext<'_>,
        [query_id, process]: [u64; 2],
        elapsed: Duration,
        result: &SessionResult<T>,
    ) -> Self {
        let error_message = result.as_ref().err().map(|error| match error {
            SessionError::Sql(error) => error.message.clone(),
            SessionError::ConnectionClosed => "the connection was closed".to_owned(),
        });
        Self {
            query_id: query_id.cast_signed(),
            process: i32::try_from(process).unwrap(),
            table: copy.table.clone(),
            source: copy.source_url.clone(),
            format: copy.format.name(),
            seconds: elapsed.as_secs_f64(),
            loaded_rows: context.loaded_rows.cast_signed(),
            files: i32::try_from(context.source_files).unwrap(),
            bytes: i64::try_from(context.source_bytes).unwrap(),
            errors: i64::try_from(context.errors.len()).unwrap(),
            error_message,
        }
    }
}

impl SimulatorState {
    /// Records a COPY outside of its transaction.
    pub(super) fn record_copy(&self, record: &CopyRecord) {
        let insert = "INSERT INTO redshift.copies (
                query_id, pid, table_name, data_source, file_format, status, start_time, end_time, loaded_rows, files,
                bytes, errors, error_message
            )
            SELECT $1::bigint, $2::int, $3::text, $4::text, $5::text, CASE WHEN $11::text IS NULL THEN 'completed' ELSE 'aborted' END,
                now - make_interval(secs => $6), now, $7::bigint, $8::int, $9::bigint, $10::bigint, $11::text
            FROM (SELECT clock_timestamp() AT TIME ZONE 'UTC' AS now) AS clock";
        let mut client = self.autocommit_client.lock().unwrap();
        client
            .execute(
                insert,
                &[
                    &record.query_id,
                    &record.process,
                    &record.table,
                    &record.source,
                    &record.format,
                    &record.seconds,
                    &record.loaded_rows,
                    &record.files,
                    &record.bytes,
                    &record.errors,
                    &record.error_message,
                ],
            )
            .unwrap();
    }
}
