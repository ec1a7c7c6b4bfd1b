//! COPY … FORMAT AS PARQUET: its clauses, its manifest, its files.

use std::fs;
use std::io::ErrorKind;

use bytes::Bytes;
use serde_json::Value;

use super::backend::{Backend, Row, literal};
use super::faults::{Due, When};
use super::lexer::{Parser, Statement};
use super::parquet::{Column, File, Wrong};
use super::rules::Last;
use super::wire::{Done, Message, Refusal, Trouble};
use super::{Codecs, Settings};

/// A COPY, taken apart.
#[derive(Debug, Default)]
pub struct Copy {
    table: String,
    columns: Option<Vec<String>>,
    from: String,
    manifest: bool,
    fill: bool,
    explicit_ids: bool,
}

/// A load that failed: what the views of load errors tell of it.
#[derive(Debug, Default)]
pub struct LoadError {
    pub table: String,
    pub file: String,
    pub line: usize,
    pub column: Option<Column>,
    pub code: u32,
    pub message: String,
    pub value: Option<String>,
}

/// The role that clusters have, and that COPY may name.
pub const ROLE: &str = "arn:aws:iam::123456789012:role/warehouse";

/// Reads a COPY. Clauses come in any order.
pub fn read(statement: &Statement) -> Result<Copy, Refusal> {
    let mut parser = statement.parser();
    parser.expect(&["copy"])?;
    let mut copy = Copy {
        table: parser.qualified()?,
        ..Copy::default()
    };
    if parser.peek().is_some_and(|token| token.is("(")) {
        copy.columns = Some(parser.names()?);
    }
    parser.expect(&["from"])?;
    copy.from = parser.text()?;
    let (mut parquet, mut role, mut refused) = (false, None, None);
    while let Some(token) = parser.peek() {
        match clause(&mut copy, &mut parser)? {
            Clause::Parquet => parquet = true,
            Clause::Role(name) if role.is_some() || name.is_none() => return Err(wrong_role()),
            Clause::Role(name) => role = name,
            Clause::Known => {}
            Clause::Other => {
                parser.next()?;
                refused.get_or_insert(token.text.to_uppercase());
                // Its values, whatever they are.
                while parser.peek().is_some_and(|next| !is_clause(&next.text)) {
                    parser.next()?;
                }
            }
        }
    }
    if !parquet {
        let message = "the stand-in loads FORMAT AS PARQUET only";
        return Err(Refusal::unsupported(message));
    }
    if let Some(clause) = refused {
        let message = format!("{clause} argument is not supported for PARQUET based COPY");
        return Err(Refusal::unsupported(message));
    }
    match role.as_deref() {
        None => Err(wrong_role()),
        Some("default" | ROLE) => Ok(copy),
        Some(other) => {
            let message = format!("Not authorized to get credentials of role {other}");
            Err(Refusal::new("XX000", message))
        }
    }
}

enum Clause {
    Parquet,
    Role(Option<String>),
    Known,
    Other,
}

fn wrong_role() -> Refusal {
    Refusal::new(
        "42601",
        "COPY needs IAM_ROLE once, and no keys in the statement",
    )
}

fn is_clause(word: &str) -> bool {
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

/// Reads a clause that COPY from Parquet has, or nothing.
fn clause(copy: &mut Copy, parser: &mut Parser<'_>) -> Result<Clause, Refusal> {
    let text = |parser: &mut Parser<'_>| {
        parser.take(&["as"]);
        parser.text()
    };
    if parser.take(&["format"]) {
        parser.take(&["as"]);
        parser.expect(&["parquet"])?;
        return Ok(Clause::Parquet);
    }
    if parser.take(&["iam_role"]) {
        if parser.take(&["default"]) {
            return Ok(Clause::Role(Some("default".to_owned())));
        }
        return Ok(Clause::Role(Some(text(parser)?)));
    }
    if parser.take(&["credentials"]) {
        let credentials = text(parser)?;
        let role = credentials.strip_prefix("aws_iam_role=");
        return Ok(Clause::Role(role.map(str::to_owned)));
    }
    if parser.take(&["manifest"]) {
        copy.manifest = true;
    } else if parser.take(&["acceptinvchars"]) {
        let _ = text(parser);
    } else if parser.take(&["fillrecord"]) {
        copy.fill = true;
    } else if parser.take(&["statupdate"]) {
        let _ = parser.one_of(&["on", "off", "true", "false"]);
    } else if parser.take(&["explicit_ids"]) {
        copy.explicit_ids = true;
    } else {
        return Ok(Clause::Other);
    }
    Ok(Clause::Known)
}

impl Copy {
    /// Loads the files. On failure the last is what is to be written down about it.
    pub fn run(
        &self,
        backend: &mut Backend,
        settings: &Settings,
        last: &mut Last,
        due: &Due,
        error: &mut Option<LoadError>,
    ) -> Done<Message> {
        last.count = 0;
        let columns = self.targets(backend)?;
        let files = self.files(settings, error)?;
        let listed: Vec<String> = columns.iter().map(Column::quoted).collect();
        let sql = format!(
            "COPY {} ({}) FROM STDIN (FORMAT binary)",
            self.table,
            listed.join(", ")
        );
        backend.copy_in(&sql)?;
        match self.load(backend, &columns, (&files, settings.codecs), due, error) {
            Ok(rows) => {
                backend.copy_end(true)?;
                last.count = rows;
                let message = format!(
                    "Load into table '{}' completed, {rows} record(s) loaded successfully.",
                    self.table
                );
                Ok(Message::notice("INFO", "00000", &message))
            }
            Err(trouble) => {
                backend.copy_end(false)?;
                Err(trouble)
            }
        }
    }

    fn load(
        &self,
        backend: &mut Backend,
        columns: &[Column],
        (files, codecs): (&[(String, Bytes)], Codecs),
        due: &Due,
        error: &mut Option<LoadError>,
    ) -> Done<u64> {
        let mut rows = 0;
        backend.send(&Message::raw(b'd', super::parquet::HEADER))?;
        for (number, (url, bytes)) in files.iter().enumerate() {
            let file = File {
                url,
                bytes,
                fill: self.fill,
                codecs,
            };
            let sent = file.send(columns, &mut |bytes| {
                backend
                    .send(&Message::raw(b'd', bytes))
                    .map_err(Wrong::from)
            });
            match sent {
                Ok(more) => rows += more,
                Err(Wrong::Gone) => return Err(Trouble::Gone),
                Err(Wrong::Load(load)) => {
                    let load = LoadError {
                        table: self.table.clone(),
                        file: url.clone(),
                        ..*load
                    };
                    let refusal = spectrum(load.code, &load.message);
                    *error = Some(load);
                    return Err(refusal.into());
                }
            }
            if number == 0 {
                due.act(When::During)?;
            }
        }
        backend.send(&Message::raw(b'd', super::parquet::TRAILER))?;
        Ok(rows)
    }

    /// The columns that the files fill, by position.
    fn targets(&self, backend: &mut Backend) -> Done<Vec<Column>> {
        let sql = format!(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull, attidentity <> '' \
             FROM pg_attribute WHERE attrelid = {}::regclass AND attnum > 0 AND NOT attisdropped \
             ORDER BY attnum",
            literal(&self.table)
        );
        let column = |row: Row| {
            let text = |at: usize| row[at].clone().unwrap_or_default();
            let column = Column::new(&text(0), &text(1), text(2) == "t");
            (column, text(3) == "t")
        };
        let all: Vec<(Column, bool)> = backend.run(&sql)?.into_iter().map(column).collect();
        let Some(listed) = &self.columns else {
            let taken = all.into_iter().filter(|(_, id)| !id || self.explicit_ids);
            return Ok(taken.map(|(column, _)| column).collect());
        };
        let mut columns: Vec<Column> = Vec::new();
        for name in listed {
            let found = all.iter().find(|(column, _)| column.name == *name);
            let (column, id) = found.ok_or_else(|| {
                let table = &self.table;
                let message = format!("column \"{name}\" of relation \"{table}\" does not exist");
                Refusal::new("42703", message)
            })?;
            if columns.iter().any(|other| other.name == *name) {
                let message = format!("column \"{name}\" specified more than once");
                return Err(Refusal::new("42701", message).into());
            }
            if *id && !self.explicit_ids {
                let message = format!("cannot set identity column \"{name}\" without EXPLICIT_IDS");
                return Err(Refusal::unsupported(message).into());
            }
            columns.push(column.clone());
        }
        Ok(columns)
    }

    /// The files that are to be loaded, in order and as often as they are named.
    fn files(
        &self,
        settings: &Settings,
        error: &mut Option<LoadError>,
    ) -> Done<Vec<(String, Bytes)>> {
        let mut fail = |url: &str, code: u32, message: &str| -> Trouble {
            *error = Some(LoadError {
                table: self.table.clone(),
                file: url.to_owned(),
                code,
                message: message.to_owned(),
                ..LoadError::default()
            });
            spectrum(code, message).into()
        };
        if !self.manifest {
            let keys =
                keys(settings, &self.from).map_err(|message| fail(&self.from, 15001, &message))?;
            let read = |url: String| {
                let bytes = get(settings, &url).ok()?.ok()?;
                Some((url, bytes))
            };
            return Ok(keys.into_iter().filter_map(read).collect());
        }
        let manifest = get(settings, &self.from)
            .and_then(|bytes| bytes)
            .map_err(|message| fail(&self.from, 8001, &message))?;
        let manifest: Value = serde_json::from_slice(&manifest)
            .map_err(|e| fail(&self.from, 8001, &format!("invalid manifest: {e}")))?;
        let entries = manifest["entries"].as_array().cloned();
        let mut files = Vec::new();
        for entry in entries.unwrap_or_default() {
            let url = entry["url"].as_str().unwrap_or_default().to_owned();
            let mandatory = entry["mandatory"].as_bool().unwrap_or(false);
            let Some(length) = entry["meta"]["content_length"].as_u64() else {
                let message = format!("File length is missing in the manifest for {url}");
                return Err(fail(&url, 15003, &message));
            };
            match get(settings, &url).map_err(|message| fail(&url, 15001, &message))? {
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
            true => Err(fail(&self.from, 8001, "No files to load in the manifest")),
            false => Ok(files),
        }
    }
}

/// How a failure of a load is told.
fn spectrum(code: u32, message: &str) -> Refusal {
    Refusal::new("XX000", "Spectrum Scan Error").detail(format!(
        "\n  -----------------------------------------------\n  error:  Spectrum Scan Error\n  \
         code:      {code}\n  context:   {message}\n  \
         -----------------------------------------------\n"
    ))
}

/// The bucket and the key of a URL, if the bucket can be reached.
fn place<'a>(settings: &Settings, url: &'a str) -> Result<(&'a str, &'a str), String> {
    let path = url.strip_prefix("s3://");
    let parts = path.and_then(|path| path.split_once('/'));
    let (bucket, key) = parts.ok_or_else(|| format!("Invalid S3 URL: {url}"))?;
    if !settings.buckets.join(bucket).is_dir() {
        let message =
            "S3ServiceException:The specified bucket does not exist,Status 404,Error NoSuchBucket";
        return Err(message.to_owned());
    }
    let elsewhere = settings.elsewhere.iter().any(|other| other == bucket);
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

/// An object: an error if the bucket cannot be read, a failure in it if there is no such object.
fn get(settings: &Settings, url: &str) -> Result<Result<Bytes, String>, String> {
    let (bucket, key) = place(settings, url)?;
    match fs::read(settings.buckets.join(bucket).join(key)) {
        Ok(bytes) => Ok(Ok(bytes.into())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Err(
            "S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey"
                .to_owned(),
        )),
        Err(e) => Err(e.to_string()),
    }
}

/// The URLs that begin so: of the folder below, and of its siblings.
fn keys(settings: &Settings, url: &str) -> Result<Vec<String>, String> {
    let (bucket, prefix) = place(settings, url)?;
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
