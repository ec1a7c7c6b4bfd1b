//! COPY … FORMAT AS PARQUET: clauses, manifest and files.

use std::fs;
use std::io::ErrorKind;

use bytes::Bytes;
use serde_json::Value;

use super::dialect_rules::LastCopyInfo;
use super::fault_injector::{FaultPoint, PendingFaultActions};
use super::lexer::{SqlStatement, StatementParser};
use super::load_error::LoadErrorRecord;
use super::parquet_to_pg_copy::{ParquetFile, ParquetFileError};
use super::pg_session::{PgSession, ResultRow, quote_literal};
use super::protocol::{PgMessage, SessionError, SessionResult, SqlError};
use super::settings::{ReadableCodecs, SimulatorSettings};
use super::target_column::TargetColumn;

/// A parsed COPY statement.
#[derive(Debug, Default)]
pub struct CopyStatement {
    table: String,
    columns: Option<Vec<String>>,
    source_url: String,
    is_manifest: bool,
    fill_record: bool,
    explicit_ids: bool,
}

/// The role that is attached to the cluster, and that COPY may name.
pub const IAM_ROLE_ARN: &str = "arn:aws:iam::123456789012:role/warehouse";

/// Parses a COPY statement, whose clauses may have any order.
pub fn parse_copy(statement: &SqlStatement) -> Result<CopyStatement, SqlError> {
    let mut parser = statement.parser();
    parser.expect(&["copy"])?;
    let mut copy = CopyStatement {
        table: parser.qualified_name()?,
        ..CopyStatement::default()
    };
    if parser.peek().is_some_and(|token| token.is("(")) {
        copy.columns = Some(parser.name_list()?);
    }
    parser.expect(&["from"])?;
    copy.source_url = parser.string_literal()?;
    let (mut parquet, mut role, mut unsupported) = (false, None, None);
    while let Some(token) = parser.peek() {
        match parse_clause(&mut copy, &mut parser)? {
            CopyClause::Parquet => parquet = true,
            CopyClause::Role(name) if role.is_some() || name.is_none() => return Err(role_error()),
            CopyClause::Role(name) => role = name,
            CopyClause::Known => {}
            CopyClause::Other => {
                parser.next()?;
                unsupported.get_or_insert(token.text.to_uppercase());
                // Skip the values of the clause.
                while parser
                    .peek()
                    .is_some_and(|next| !is_clause_keyword(&next.text))
                {
                    parser.next()?;
                }
            }
        }
    }
    if !parquet {
        let message = "the simulator supports FORMAT AS PARQUET only";
        return Err(SqlError::unsupported(message));
    }
    if let Some(clause) = unsupported {
        let message = format!("{clause} argument is not supported for PARQUET based COPY");
        return Err(SqlError::unsupported(message));
    }
    match role.as_deref() {
        None => Err(role_error()),
        Some("default" | IAM_ROLE_ARN) => Ok(copy),
        Some(other) => {
            let message = format!("Not authorized to get credentials of role {other}");
            Err(SqlError::new("XX000", message))
        }
    }
}

enum CopyClause {
    Parquet,
    Role(Option<String>),
    Known,
    Other,
}

fn role_error() -> SqlError {
    SqlError::new(
        "42601",
        "COPY needs IAM_ROLE once, and no keys in the statement",
    )
}

fn is_clause_keyword(word: &str) -> bool {
    [
        "format",
        "iam_role",
        "credentials",
        "manifest",
        "acceptinvchars",
        "fillrecord",
        "statupdate",
        "explicit_ids",
    ]
    .contains(&word)
}

/// Parses a clause of COPY from Parquet, or returns `Clause::Other`.
fn parse_clause(
    copy: &mut CopyStatement,
    parser: &mut StatementParser<'_>,
) -> Result<CopyClause, SqlError> {
    let text = |parser: &mut StatementParser<'_>| {
        parser.accept(&["as"]);
        parser.string_literal()
    };
    if parser.accept(&["format"]) {
        parser.accept(&["as"]);
        parser.expect(&["parquet"])?;
        return Ok(CopyClause::Parquet);
    }
    if parser.accept(&["iam_role"]) {
        if parser.accept(&["default"]) {
            return Ok(CopyClause::Role(Some("default".to_owned())));
        }
        return Ok(CopyClause::Role(Some(text(parser)?)));
    }
    if parser.accept(&["credentials"]) {
        let credentials = text(parser)?;
        let role = credentials.strip_prefix("aws_iam_role=");
        return Ok(CopyClause::Role(role.map(str::to_owned)));
    }
    if parser.accept(&["manifest"]) {
        copy.is_manifest = true;
    } else if parser.accept(&["acceptinvchars"]) {
        let _ = text(parser);
    } else if parser.accept(&["fillrecord"]) {
        copy.fill_record = true;
    } else if parser.accept(&["statupdate"]) {
        let _ = parser.accept_one_of(&["on", "off", "true", "false"]);
    } else if parser.accept(&["explicit_ids"]) {
        copy.explicit_ids = true;
    } else {
        return Ok(CopyClause::Other);
    }
    Ok(CopyClause::Known)
}

impl CopyStatement {
    /// Loads the files. If that fails, `error` receives the entry for the load error views.
    pub fn execute(
        &self,
        backend: &mut PgSession,
        settings: &SimulatorSettings,
        last_copy: &mut LastCopyInfo,
        pending: &PendingFaultActions,
        error: &mut Option<LoadErrorRecord>,
    ) -> SessionResult<PgMessage> {
        last_copy.row_count = 0;
        let columns = self.target_columns(backend)?;
        let files = self.resolve_files(settings, error)?;
        let listed: Vec<String> = columns.iter().map(TargetColumn::quoted_name).collect();
        let sql = format!(
            "COPY {} ({}) FROM STDIN (FORMAT binary)",
            self.table,
            listed.join(", ")
        );
        backend.copy_in(&sql)?;
        match self.load_files(backend, &columns, (&files, settings.codecs), pending, error) {
            Ok(rows) => {
                backend.finish_copy(true)?;
                last_copy.row_count = rows;
                let message = format!(
                    "Load into table '{}' completed, {rows} record(s) loaded successfully.",
                    self.table
                );
                Ok(PgMessage::notice("INFO", "00000", &message))
            }
            Err(error) => {
                backend.finish_copy(false)?;
                Err(error)
            }
        }
    }

    fn load_files(
        &self,
        backend: &mut PgSession,
        columns: &[TargetColumn],
        (files, codecs): (&[(String, Bytes)], ReadableCodecs),
        pending: &PendingFaultActions,
        error: &mut Option<LoadErrorRecord>,
    ) -> SessionResult<u64> {
        let mut rows = 0;
        backend.send(&PgMessage::from_bytes(
            b'd',
            super::parquet_to_pg_copy::COPY_HEADER,
        ))?;
        for (number, (url, bytes)) in files.iter().enumerate() {
            let file = ParquetFile {
                url,
                bytes,
                fill_record: self.fill_record,
                codecs,
            };
            let sent = file.send_rows(columns, &mut |bytes| {
                backend
                    .send(&PgMessage::from_bytes(b'd', bytes))
                    .map_err(ParquetFileError::from)
            });
            match sent {
                Ok(more) => rows += more,
                Err(ParquetFileError::ConnectionClosed) => {
                    return Err(SessionError::ConnectionClosed);
                }
                Err(ParquetFileError::Load(load)) => {
                    let load = LoadErrorRecord {
                        table: self.table.clone(),
                        file: url.clone(),
                        ..*load
                    };
                    let sql_error = spectrum_error(load.code, &load.message);
                    *error = Some(load);
                    return Err(sql_error.into());
                }
            }
            if number == 0 {
                pending.run_at(FaultPoint::During)?;
            }
        }
        backend.send(&PgMessage::from_bytes(
            b'd',
            super::parquet_to_pg_copy::COPY_TRAILER,
        ))?;
        Ok(rows)
    }

    /// Returns the columns that the files fill, by position.
    fn target_columns(&self, backend: &mut PgSession) -> SessionResult<Vec<TargetColumn>> {
        let sql = format!(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull, attidentity <> '' \
             FROM pg_attribute WHERE attrelid = {}::regclass AND attnum > 0 AND NOT attisdropped \
             ORDER BY attnum",
            quote_literal(&self.table)
        );
        let column = |row: ResultRow| {
            let text = |at: usize| row[at].clone().unwrap_or_default();
            let column = TargetColumn::new(&text(0), &text(1), text(2) == "t");
            (column, text(3) == "t")
        };
        let all: Vec<(TargetColumn, bool)> =
            backend.run_sql(&sql)?.into_iter().map(column).collect();
        let Some(listed) = &self.columns else {
            let filled = all.into_iter().filter(|(_, id)| !id || self.explicit_ids);
            return Ok(filled.map(|(column, _)| column).collect());
        };
        let mut columns: Vec<TargetColumn> = Vec::new();
        for name in listed {
            let found = all.iter().find(|(column, _)| column.name == *name);
            let (column, id) = found.ok_or_else(|| {
                let table = &self.table;
                let message = format!("column \"{name}\" of relation \"{table}\" does not exist");
                SqlError::new("42703", message)
            })?;
            if columns.iter().any(|other| other.name == *name) {
                let message = format!("column \"{name}\" specified more than once");
                return Err(SqlError::new("42701", message).into());
            }
            if *id && !self.explicit_ids {
                let message = format!("cannot set identity column \"{name}\" without EXPLICIT_IDS");
                return Err(SqlError::unsupported(message).into());
            }
            columns.push(column.clone());
        }
        Ok(columns)
    }

    /// Returns the files to load, in order; a file that is listed several times is loaded several times.
    fn resolve_files(
        &self,
        settings: &SimulatorSettings,
        error: &mut Option<LoadErrorRecord>,
    ) -> SessionResult<Vec<(String, Bytes)>> {
        let mut fail = |url: &str, code: u32, message: &str| -> SessionError {
            *error = Some(LoadErrorRecord {
                table: self.table.clone(),
                file: url.to_owned(),
                code,
                message: message.to_owned(),
                ..LoadErrorRecord::default()
            });
            spectrum_error(code, message).into()
        };
        if !self.is_manifest {
            let keys = list_urls(settings, &self.source_url)
                .map_err(|message| fail(&self.source_url, 15001, &message))?;
            let read = |url: String| {
                let bytes = read_object(settings, &url).ok()?.ok()?;
                Some((url, bytes))
            };
            return Ok(keys.into_iter().filter_map(read).collect());
        }
        let manifest = read_object(settings, &self.source_url)
            .and_then(|bytes| bytes)
            .map_err(|message| fail(&self.source_url, 8001, &message))?;
        let manifest: Value = serde_json::from_slice(&manifest)
            .map_err(|e| fail(&self.source_url, 8001, &format!("invalid manifest: {e}")))?;
        let entries = manifest["entries"].as_array().cloned();
        let mut files = Vec::new();
        for entry in entries.unwrap_or_default() {
            let url = entry["url"].as_str().unwrap_or_default().to_owned();
            let mandatory = entry["mandatory"].as_bool().unwrap_or(false);
            let Some(length) = entry["meta"]["content_length"].as_u64() else {
                let message = format!("File length is missing in the manifest for {url}");
                return Err(fail(&url, 15003, &message));
            };
            match read_object(settings, &url).map_err(|message| fail(&url, 15001, &message))? {
                Ok(bytes) if bytes.len() as u64 == length => files.push((url, bytes)),
                Ok(_) => {
                    let message = "S3ServiceException:The requested range is not satisfiable,\
                                   Status 416,Error InvalidRange";
                    return Err(fail(&url, 15001, message));
                }
                Err(message) if mandatory => return Err(fail(&url, 15001, &message)),
                Err(_) => {}
            }
        }
        match files.is_empty() {
            true => Err(fail(
                &self.source_url,
                8001,
                "No files to load in the manifest",
            )),
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

/// Returns the bucket and the key of a URL, or an error if the bucket is not accessible.
fn parse_s3_url<'a>(
    settings: &SimulatorSettings,
    url: &'a str,
) -> Result<(&'a str, &'a str), String> {
    let path = url.strip_prefix("s3://");
    let parts = path.and_then(|path| path.split_once('/'));
    let (bucket, key) = parts.ok_or_else(|| format!("Invalid S3 URL: {url}"))?;
    if !settings.buckets.join(bucket).is_dir() {
        let message =
            "S3ServiceException:The specified bucket does not exist,Status 404,Error NoSuchBucket";
        return Err(message.to_owned());
    }
    let elsewhere = settings
        .other_region_buckets
        .iter()
        .any(|other| other == bucket);
    match elsewhere {
        true => Err(
            "S3ServiceException:The bucket you are attempting to access must be addressed using the \
             specified endpoint. Please send all future requests to this endpoint.,Status 301,\
             Error PermanentRedirect"
                .to_owned(),
        ),
        false => Ok((bucket, key)),
    }
}

/// Reads an object: the outer error means that the bucket is not accessible, the inner one that the object
/// does not exist.
fn read_object(settings: &SimulatorSettings, url: &str) -> Result<Result<Bytes, String>, String> {
    let (bucket, key) = parse_s3_url(settings, url)?;
    match fs::read(settings.buckets.join(bucket).join(key)) {
        Ok(bytes) => Ok(Ok(bytes.into())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Err(
            "S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey"
                .to_owned(),
        )),
        Err(e) => Err(e.to_string()),
    }
}

/// Returns the URLs of all objects with this prefix, which need not end at a slash.
fn list_urls(settings: &SimulatorSettings, url: &str) -> Result<Vec<String>, String> {
    let (bucket, prefix) = parse_s3_url(settings, url)?;
    let root = settings.buckets.join(bucket);
    let (mut folders, mut found) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let key = path
                .strip_prefix(&root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if key.starts_with(prefix) {
                found.push(format!("s3://{bucket}/{key}"));
            }
        }
    }
    found.sort();
    match found.is_empty() {
        true => Err(format!("The specified S3 prefix '{prefix}' does not exist")),
        false => Ok(found),
    }
}
