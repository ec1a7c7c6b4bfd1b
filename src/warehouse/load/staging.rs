//! Fills the staging tables with the rows of a dataset, and checks that all of them arrived.

use std::io::Write;
use std::time::Instant;

use postgres::CopyInWriter;

use super::pg_copy_encoder::{COPY_HEADER, COPY_TRAILER, encode_batch, read_batches};
use super::source::StagedRows;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::model::TableSchema;
use crate::observer::Observer;
use crate::output::PublishedDataset;
use crate::warehouse::connect::error::{StatementError, copy_error, fatal, statement_error};
use crate::warehouse::connect::session::WarehouseSession;

/// Approximate size of the chunks that are sent to PostgreSQL.
const COPY_BUFFER_BYTES: usize = 256 * 1024;

/// Lets Redshift copy the Parquet parts of a table from S3.
pub(super) fn copy_from_s3(
    session: &mut WarehouseSession,
    dataset: &PublishedDataset,
    table: &'static TableSchema,
    sql: &str,
    progress: &dyn Observer,
) -> std::result::Result<(), StatementError> {
    let started = Instant::now();
    session.copy_from_s3(sql, 0)?;
    let report = dataset.table_report(table);
    log_copied(table, report.rows, report.bytes, started);
    progress.advance(report.bytes);
    Ok(())
}

/// Sends the rows in the Parquet parts of a table to PostgreSQL.
pub(super) fn copy_in(
    session: &mut WarehouseSession,
    dataset: &PublishedDataset,
    table: &'static TableSchema,
    sql: &str,
    progress: &dyn Observer,
) -> std::result::Result<(), StatementError> {
    let started = Instant::now();
    let parts = dataset.list_parts(table).map_err(fatal)?;
    let _cancel = session.begin_statement()?;
    let mut stream = CopyStream::new(session.copy_in(sql)?);
    for part in parts {
        let name = dataset.display(&part);
        let file = dataset.open_part(&part).map_err(fatal)?;
        for batch in read_batches(file, &name, table).map_err(fatal)? {
            let batch = batch.map_err(|e| {
                fatal(
                    Error::failed(format!("cannot read {name}"))
                        .with_source(e)
                        .with_hint("run again"),
                )
            })?;
            encode_batch(&batch, table, &mut stream.buffer).map_err(fatal)?;
            stream.flush_if_full()?;
        }
        progress.advance(part.size);
    }
    let copied = stream.finish()?;
    log_copied(table, copied.rows, copied.bytes, started);
    Ok(())
}

fn log_copied(table: &TableSchema, rows: u64, bytes: u64, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    tracing::debug!(table = table.name, rows, bytes, seconds, "table copied");
}

/// A COPY in the binary format that is sent in chunks.
struct CopyStream<'a> {
    writer: CopyInWriter<'a>,
    /// Encoded rows that were not sent yet.
    buffer: Vec<u8>,
    sent_bytes: u64,
}

/// What a COPY has sent.
struct CopiedRows {
    rows: u64,
    bytes: u64,
}

impl<'a> CopyStream<'a> {
    fn new(writer: CopyInWriter<'a>) -> Self {
        Self {
            writer,
            buffer: COPY_HEADER.to_vec(),
            sent_bytes: 0,
        }
    }

    fn flush_if_full(&mut self) -> std::result::Result<(), StatementError> {
        if self.buffer.len() < COPY_BUFFER_BYTES {
            return Ok(());
        }
        interrupt::ensure_running().map_err(fatal)?;
        self.flush()
    }

    fn flush(&mut self) -> std::result::Result<(), StatementError> {
        self.writer.write_all(&self.buffer).map_err(copy_error)?;
        self.sent_bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> std::result::Result<CopiedRows, StatementError> {
        self.buffer.extend_from_slice(COPY_TRAILER);
        self.flush()?;
        Ok(CopiedRows {
            rows: self.writer.finish().map_err(statement_error)?,
            bytes: self.sent_bytes,
        })
    }
}

/// Checks that the number of staged rows of each table is the one in the report of the run.
///
/// # Errors
/// Returns an error if the counts differ.
pub(super) fn verify_row_counts(dataset: &PublishedDataset, counts: &StagedRows) -> Result<()> {
    for (table, staged) in counts.iter() {
        let written = dataset.table_report(table).rows;
        if staged != written {
            return Err(Error::failed(format!("cannot load table {}", table.name))
                .with_reason(format!(
                    "{staged} rows arrived in the warehouse, the report has {written}"
                ))
                .with_hint("the warehouse is unchanged; run again, and check whether another process writes to the output"));
        }
    }
    Ok(())
}
