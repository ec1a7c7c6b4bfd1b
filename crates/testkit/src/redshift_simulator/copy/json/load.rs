//! Loads JSON objects: which are read, which records are rejected, and when the load fails.

use crate::redshift_simulator::copy::context::CopyContext;
use crate::redshift_simulator::copy::json::decompression::decompress;
use crate::redshift_simulator::copy::json::mapping::FieldMapping;
use crate::redshift_simulator::copy::json::record_decoder::{RecordDecoder, RecordError};
use crate::redshift_simulator::copy::json::record_reader::{ReadRecord, RecordReader};
use crate::redshift_simulator::copy::json::utf8::JsonText;
use crate::redshift_simulator::copy::manifest::parse_manifest;
use crate::redshift_simulator::copy::objects::{NO_SUCH_KEY, RegionBuckets, s3_error};
use crate::redshift_simulator::copy::statement::{CopyStatement, JsonOptions};
use crate::redshift_simulator::copy::target::CopyTarget;
use crate::redshift_simulator::fault_injector::FaultPoint;
use crate::redshift_simulator::load_error::{LoadErrorRecord, shown_text};
use crate::redshift_simulator::parquet_to_pg_copy::{COPY_HEADER, COPY_TRAILER};
use crate::redshift_simulator::protocol::{PgMessage, SessionResult, SqlError};

/// Rows are sent to PostgreSQL when there are more bytes than this.
const CHUNK_BYTES: usize = 1 << 18;

/// The largest size of an object in bytes.
const MAX_OBJECT_BYTES: usize = 4 << 20;

/// A COPY from JSON.
pub struct JsonCopy<'a> {
    pub copy: &'a CopyStatement,
    pub options: &'a JsonOptions,
    pub target: &'a CopyTarget,
}

impl JsonCopy<'_> {
    /// Loads the objects.
    pub fn load(&self, context: &mut CopyContext<'_>) -> SessionResult<()> {
        let buckets = RegionBuckets::new(context.settings, self.options.region.as_deref());
        let urls = self.list_objects(buckets)?;
        let decoder = RecordDecoder::new(
            FieldMapping::new(&self.options.mapping, &self.target.columns, buckets)?,
            &self.target.columns,
            self.options,
            context.settings,
        )?;
        if self.options.no_load {
            self.load_objects(&urls, buckets, &decoder, context)?;
            return Ok(());
        }
        self.target.start_copy(context.backend)?;
        let loaded = self.load_objects(&urls, buckets, &decoder, context);
        context.backend.finish_copy(loaded.is_ok())?;
        context.loaded_rows = loaded?;
        Ok(())
    }

    /// Returns the URLs of the objects to load; one that is listed several times is loaded several times.
    fn list_objects(&self, buckets: RegionBuckets<'_>) -> Result<Vec<String>, SqlError> {
        let source = &self.copy.source_url;
        if !self.copy.is_manifest {
            return buckets.list(source).map_err(|m| s3_error(source, &m));
        }
        let manifest = buckets.read(source).map_err(|m| s3_error(source, &m))?;
        let entries = parse_manifest(&manifest).map_err(|m| s3_error(source, &m))?;
        let mut urls = Vec::new();
        for entry in entries {
            match buckets.contains(&entry.url) {
                Ok(true) => urls.push(entry.url),
                Ok(false) if entry.mandatory => return Err(s3_error(&entry.url, NO_SUCH_KEY)),
                Ok(false) => {}
                Err(message) => return Err(s3_error(&entry.url, &message)),
            }
        }
        match urls.is_empty() {
            true => Err(s3_error(source, "No files to load in the manifest")),
            false => Ok(urls),
        }
    }

    /// Loads the objects, and returns the number of rows.
    fn load_objects(
        &self,
        urls: &[String],
        buckets: RegionBuckets<'_>,
        decoder: &RecordDecoder<'_>,
        context: &mut CopyContext<'_>,
    ) -> SessionResult<u64> {
        let mut rows = 0;
        let mut chunk = COPY_HEADER.to_vec();
        for (number, url) in urls.iter().enumerate() {
            let stored = buckets.read(url).map_err(|m| s3_error(url, &m))?;
            context.source_files += 1;
            context.source_bytes += stored.len();
            let bytes = match self.options.compression {
                None => Vec::from(stored),
                Some(compression) => decompress(compression, &stored).map_err(|message| {
                    SqlError::new("XX000", message)
                        .with_detail(format!("The object that was read is {url}"))
                })?,
            };
            let text = JsonText::new(bytes, self.options.accept_invalid_chars);
            let mut reader = RecordReader::new(&text);
            while let Some(record) = reader.next() {
                if record.counted_bytes() > MAX_OBJECT_BYTES {
                    return Err(oversize_error(url, record.line).into());
                }
                match decode(decoder, &record, &mut chunk) {
                    Ok(()) => rows += 1,
                    Err(error) => self.reject(url, &record, error, context)?,
                }
                if chunk.len() > CHUNK_BYTES {
                    self.send(std::mem::take(&mut chunk), context)?;
                }
            }
            if number == 0 {
                context.actions.run_at(FaultPoint::During)?;
            }
        }
        chunk.extend(COPY_TRAILER);
        self.send(chunk, context)?;
        Ok(rows)
    }

    fn send(&self, chunk: Vec<u8>, context: &mut CopyContext<'_>) -> SessionResult<()> {
        match self.options.no_load {
            true => Ok(()),
            false => context.backend.send(&PgMessage::from_bytes(b'd', chunk)),
        }
    }

    /// Records a rejected record, and fails when there are as many as MAXERROR.
    fn reject(
        &self,
        url: &str,
        record: &ReadRecord<'_>,
        error: RecordError,
        context: &mut CopyContext<'_>,
    ) -> Result<(), SqlError> {
        context.errors.push(LoadErrorRecord {
            file: url.to_owned(),
            line: record.line,
            column: error.column.map(|at| self.target.columns[at].clone()),
            code: error.code,
            message: error.message,
            raw_line: shown_text(record.text),
            value: error.value.as_deref().map(shown_text),
        });
        if context.errors.len() < self.options.max_errors.unwrap_or(1) {
            return Ok(());
        }
        let table = &self.target.table;
        Err(SqlError::new(
            "XX000",
            format!(
                "Load into table '{table}' failed.  Check 'stl_load_errors' system table for details."
            ),
        ))
    }
}

fn decode(
    decoder: &RecordDecoder<'_>,
    record: &ReadRecord<'_>,
    chunk: &mut Vec<u8>,
) -> Result<(), RecordError> {
    match &record.object {
        Ok(object) => decoder.append_row(object, &record.invalid_ranges(), chunk),
        Err(message) => Err(RecordError::syntax(message)),
    }
}

/// Returns the error of an object that is too large. Its wording is not known.
fn oversize_error(url: &str, line: usize) -> SqlError {
    let message = format!("The JSON object exceeds the maximum size of {MAX_OBJECT_BYTES} bytes");
    let detail = format!("The object ends at line {line} of {url}");
    SqlError::new("XX000", message).with_detail(detail)
}
