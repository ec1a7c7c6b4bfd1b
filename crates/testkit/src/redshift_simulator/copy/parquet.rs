//! COPY … FORMAT AS PARQUET: the manifest and the files.

use bytes::Bytes;

use crate::redshift_simulator::copy::context::CopyContext;
use crate::redshift_simulator::copy::manifest::parse_manifest;
use crate::redshift_simulator::copy::objects::RegionBuckets;
use crate::redshift_simulator::copy::statement::{CopyStatement, ParquetOptions};
use crate::redshift_simulator::copy::target::CopyTarget;
use crate::redshift_simulator::fault_injector::FaultPoint;
use crate::redshift_simulator::load_error::LoadErrorRecord;
use crate::redshift_simulator::parquet_to_pg_copy::{
    COPY_HEADER, COPY_TRAILER, ParquetFile, ParquetFileError,
};
use crate::redshift_simulator::protocol::{PgMessage, SessionError, SessionResult, SqlError};

/// A COPY from Parquet.
pub struct ParquetCopy<'a> {
    pub copy: &'a CopyStatement,
    pub options: &'a ParquetOptions,
    pub target: &'a CopyTarget,
}

impl ParquetCopy<'_> {
    /// Loads the files.
    pub fn load(&self, context: &mut CopyContext<'_>) -> SessionResult<()> {
        let files = self.resolve_files(context)?;
        context.source_files = files.len();
        context.source_bytes = files.iter().map(|(_, bytes)| bytes.len()).sum();
        self.target.start_copy(context.backend)?;
        let loaded = self.load_files(&files, context);
        context.backend.finish_copy(loaded.is_ok())?;
        context.loaded_rows = loaded?;
        Ok(())
    }

    fn load_files(
        &self,
        files: &[(String, Bytes)],
        context: &mut CopyContext<'_>,
    ) -> SessionResult<u64> {
        let mut rows = 0;
        context
            .backend
            .send(&PgMessage::from_bytes(b'd', COPY_HEADER))?;
        for (number, (url, bytes)) in files.iter().enumerate() {
            let file = ParquetFile {
                url,
                bytes,
                fill_record: self.options.fill_record,
                codecs: context.settings.codecs,
            };
            let sent = file.send_rows(&self.target.columns, &mut |bytes| {
                context
                    .backend
                    .send(&PgMessage::from_bytes(b'd', bytes))
                    .map_err(ParquetFileError::from)
            });
            match sent {
                Ok(more) => rows += more,
                Err(ParquetFileError::ConnectionClosed) => {
                    return Err(SessionError::ConnectionClosed);
                }
                Err(ParquetFileError::Load(load)) => {
                    let sql_error = spectrum_error(load.code, &load.message);
                    context.errors.push(LoadErrorRecord {
                        file: url.clone(),
                        ..*load
                    });
                    return Err(sql_error.into());
                }
            }
            if number == 0 {
                context.actions.run_at(FaultPoint::During)?;
            }
        }
        context
            .backend
            .send(&PgMessage::from_bytes(b'd', COPY_TRAILER))?;
        Ok(rows)
    }

    /// Returns the files to load, in order; a file that is listed several times is loaded several times.
    fn resolve_files(&self, context: &mut CopyContext<'_>) -> SessionResult<Vec<(String, Bytes)>> {
        let buckets = RegionBuckets::new(context.settings, None);
        let source = &self.copy.source_url;
        let mut fail = |url: &str, code: u32, message: &str| -> SessionError {
            context.errors.push(LoadErrorRecord {
                file: url.to_owned(),
                code,
                message: message.to_owned(),
                ..LoadErrorRecord::default()
            });
            spectrum_error(code, message).into()
        };
        if !self.copy.is_manifest {
            let keys = buckets
                .list(source)
                .map_err(|message| fail(source, 15001, &message))?;
            let read = |url: String| {
                let bytes = buckets.read(&url).ok()?;
                Some((url, bytes))
            };
            return Ok(keys.into_iter().filter_map(read).collect());
        }
        let manifest = buckets
            .read(source)
            .map_err(|message| fail(source, 8001, &message))?;
        let entries = parse_manifest(&manifest).map_err(|message| fail(source, 8001, &message))?;
        let mut files = Vec::new();
        for entry in entries {
            let url = entry.url;
            let Some(length) = entry.content_length else {
                let message = format!("File length is missing in the manifest for {url}");
                return Err(fail(&url, 15003, &message));
            };
            match buckets
                .try_read(&url)
                .map_err(|message| fail(&url, 15001, &message))?
            {
                Ok(bytes) if bytes.len() as u64 == length => files.push((url, bytes)),
                Ok(_) => {
                    let message = "S3ServiceException:The requested range is not satisfiable,\
                                   Status 416,Error InvalidRange";
                    return Err(fail(&url, 15001, message));
                }
                Err(message) if entry.mandatory => return Err(fail(&url, 15001, &message)),
                Err(_) => {}
            }
        }
        match files.is_empty() {
            true => Err(fail(source, 8001, "No files to load in the manifest")),
            false => Ok(files),
        }
    }
}

/// Returns the error of a load that failed.
fn spectrum_error(code: u32, message: &str) -> SqlError {
    SqlError::new("XX000", "Spectrum Scan Error").with_detail(format!(
        "\n  -----------------------------------------------\n  error:  Spectrum Scan Error\n  \
         code:      {code}\n  context:   {message}\n  \
         -----------------------------------------------\n"
    ))
}
