//! Parses a clause of COPY, whatever the format of the files.

use std::mem::{Discriminant, discriminant};

use crate::redshift_simulator::lexer::StatementParser;
use crate::redshift_simulator::protocol::SqlError;

/// A clause after the source.
#[derive(Debug)]
pub enum Clause {
    Format(DataFormat),
    /// A role, or `None` for keys.
    Role(Option<String>),
    Manifest,
    /// The replacement of invalid characters.
    AcceptInvalidChars(Option<String>),
    FillRecord,
    ExplicitIds,
    StatUpdate(bool),
    CompUpdate,
    Region(String),
    MaxError(i64),
    Compression(CopyCompression),
    NoLoad,
    TruncateColumns,
    EmptyAsNull,
    BlanksAsNull,
    TimeFormat(String),
    /// A clause that neither format supports.
    Other,
}

impl Clause {
    /// Returns what is equal for clauses that exclude each other.
    pub fn kind(&self) -> Discriminant<Self> {
        discriminant(self)
    }
}

/// The compression of all objects of a COPY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyCompression {
    Gzip,
    Bzip2,
    Zstd,
}

/// The format of the files.
#[derive(Debug)]
pub enum DataFormat {
    Parquet,
    Json(JsonMapping),
}

/// How the keys of JSON objects are mapped to columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum JsonMapping {
    /// By the names of the columns.
    #[default]
    Auto,
    /// By the names of the columns, ignoring case.
    AutoIgnoreCase,
    /// By the JSONPath expressions in the object with this URL.
    Paths(String),
}

/// The words at which a clause begins.
const CLAUSE_KEYWORDS: [&str; 20] = [
    "format",
    "iam_role",
    "credentials",
    "manifest",
    "acceptinvchars",
    "fillrecord",
    "statupdate",
    "compupdate",
    "explicit_ids",
    "region",
    "maxerror",
    "gzip",
    "bzip2",
    "zstd",
    "noload",
    "truncatecolumns",
    "emptyasnull",
    "blanksasnull",
    "timeformat",
    "json",
];

/// Parses the next clause.
pub fn parse_clause(parser: &mut StatementParser<'_>) -> Result<Clause, SqlError> {
    if let Some(format) = parse_format(parser)? {
        return Ok(Clause::Format(format));
    }
    let Some(keyword) = parser.accept_one_of(&CLAUSE_KEYWORDS) else {
        parser.next()?;
        // Skip the values of the clause.
        while parser
            .peek()
            .is_some_and(|next| !CLAUSE_KEYWORDS.iter().any(|word| next.is(word)))
        {
            parser.next()?;
        }
        return Ok(Clause::Other);
    };
    let switches = ["on", "off", "true", "false"];
    Ok(match keyword {
        "iam_role" if parser.accept(&["default"]) => Clause::Role(Some("default".to_owned())),
        "iam_role" => Clause::Role(Some(parse_text(parser)?)),
        "credentials" => {
            let credentials = parse_text(parser)?;
            let role = credentials.strip_prefix("aws_iam_role=");
            Clause::Role(role.map(str::to_owned))
        }
        "manifest" => Clause::Manifest,
        "acceptinvchars" => Clause::AcceptInvalidChars(parse_text(parser).ok()),
        "fillrecord" => Clause::FillRecord,
        "explicit_ids" => Clause::ExplicitIds,
        "statupdate" => {
            let switch = parser.accept_one_of(&switches);
            Clause::StatUpdate(!matches!(switch, Some("off" | "false")))
        }
        "compupdate" => {
            let _ = parser.accept(&["preset"]) || parser.accept_one_of(&switches).is_some();
            Clause::CompUpdate
        }
        "region" => Clause::Region(parse_text(parser)?),
        "maxerror" => {
            parser.accept(&["as"]);
            Clause::MaxError(parser.integer()?)
        }
        "gzip" => Clause::Compression(CopyCompression::Gzip),
        "bzip2" => Clause::Compression(CopyCompression::Bzip2),
        "zstd" => Clause::Compression(CopyCompression::Zstd),
        "noload" => Clause::NoLoad,
        "truncatecolumns" => Clause::TruncateColumns,
        "emptyasnull" => Clause::EmptyAsNull,
        "blanksasnull" => Clause::BlanksAsNull,
        "timeformat" => Clause::TimeFormat(parse_text(parser)?),
        _ => return Err(parser.unexpected_token()),
    })
}

fn parse_text(parser: &mut StatementParser<'_>) -> Result<String, SqlError> {
    parser.accept(&["as"]);
    parser.string_literal()
}

/// Parses `[FORMAT] [AS] PARQUET` or `[FORMAT] [AS] JSON [AS] '…'`.
fn parse_format(parser: &mut StatementParser<'_>) -> Result<Option<DataFormat>, SqlError> {
    let is_named = parser.accept(&["format"]) | parser.accept(&["as"]);
    if is_named && parser.accept(&["parquet"]) {
        return Ok(Some(DataFormat::Parquet));
    }
    if !parser.accept(&["json"]) {
        return match is_named {
            true => Err(parser.unexpected_token()),
            false => Ok(None),
        };
    }
    let is_option_named = parser.accept(&["as"]);
    let option = match parser.string_literal() {
        Ok(option) => option,
        Err(_) if !is_option_named => "auto".to_owned(),
        Err(error) => return Err(error),
    };
    let mapping = match option.as_str() {
        "auto" => JsonMapping::Auto,
        "auto ignorecase" => JsonMapping::AutoIgnoreCase,
        "noshred" => {
            let message = "the simulator does not support FORMAT AS JSON 'noshred'";
            return Err(SqlError::unsupported(message));
        }
        url if url.starts_with("s3://") => JsonMapping::Paths(option),
        _ => {
            let message = format!("Invalid JSON option or JSONPaths file: {option}");
            return Err(SqlError::new("22023", message));
        }
    };
    Ok(Some(DataFormat::Json(mapping)))
}
