//! Parses COPY statements: the clauses of COPY from Parquet and from JSON.

use std::collections::HashSet;

use crate::redshift_simulator::copy::clause::{
    Clause, CopyCompression, DataFormat, JsonMapping, parse_clause,
};
use crate::redshift_simulator::lexer::SqlStatement;
use crate::redshift_simulator::protocol::SqlError;

/// The role that is attached to the cluster, and that COPY may name.
pub const IAM_ROLE_ARN: &str = "arn:aws:iam::123456789012:role/warehouse";

/// The largest MAXERROR.
const MAX_ERROR_LIMIT: i64 = 100_000;

/// A parsed COPY statement.
#[derive(Debug)]
pub struct CopyStatement {
    pub table: String,
    pub columns: Option<Vec<String>>,
    pub source_url: String,
    pub is_manifest: bool,
    /// Whether the statistics of the table are updated after the load.
    pub updates_statistics: bool,
    pub format: CopyFormat,
}

/// The format of the files and the options that only it has.
#[derive(Debug)]
pub enum CopyFormat {
    Parquet(ParquetOptions),
    Json(Box<JsonOptions>),
}

impl CopyFormat {
    /// Returns the name of the format, as SYS_LOAD_HISTORY shows it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Parquet(_) => "parquet",
            Self::Json(_) => "json",
        }
    }
}

/// The options of COPY from Parquet.
#[derive(Debug, Default)]
pub struct ParquetOptions {
    pub fill_record: bool,
    pub explicit_ids: bool,
}

/// The options of COPY from JSON.
#[derive(Debug, Default)]
pub struct JsonOptions {
    pub mapping: JsonMapping,
    pub region: Option<String>,
    /// The number of errors at which the load fails.
    pub max_errors: Option<usize>,
    pub compression: Option<CopyCompression>,
    pub no_load: bool,
    pub truncate_columns: bool,
    pub empty_as_null: bool,
    pub blanks_as_null: bool,
    pub accept_invalid_chars: bool,
    pub time_format: TimeFormat,
}

/// The format of times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// `YYYY-MM-DD HH:MI:SS`, with or without a fraction.
    #[default]
    Standard,
    /// Milliseconds since 1970.
    EpochMillis,
    /// Seconds since 1970.
    EpochSeconds,
}

/// Parses a COPY statement, whose clauses may have any order.
pub fn parse_copy(statement: &SqlStatement) -> Result<CopyStatement, SqlError> {
    let mut parser = statement.parser();
    parser.expect(&["copy"])?;
    let table = parser.qualified_name()?;
    let mut columns = None;
    if parser.peek().is_some_and(|token| token.is("(")) {
        columns = Some(parser.name_list()?);
    }
    parser.expect(&["from"])?;
    let source_url = parser.string_literal()?;
    let (mut clauses, mut names) = (Vec::new(), HashSet::new());
    while let Some(token) = parser.peek() {
        let name = token.text.to_uppercase();
        let clause = parse_clause(&mut parser)?;
        if !names.insert(clause.kind()) && !matches!(clause, Clause::Role(_) | Clause::Other) {
            let message = format!("conflicting or redundant options: {name}");
            return Err(SqlError::new("42601", message));
        }
        clauses.push((name, clause));
    }
    let format = parse_format(&clauses)?;
    check_role(&clauses)?;
    let has = |wanted: fn(&Clause) -> bool| clauses.iter().any(|(_, clause)| wanted(clause));
    Ok(CopyStatement {
        table,
        columns,
        source_url,
        is_manifest: has(|clause| matches!(clause, Clause::Manifest)),
        updates_statistics: !has(|clause| matches!(clause, Clause::StatUpdate(false))),
        format,
    })
}

/// Checks that there is one role, and that the cluster has it.
fn check_role(clauses: &[(String, Clause)]) -> Result<(), SqlError> {
    let role_error = || {
        let message = "COPY needs IAM_ROLE once, and no keys in the statement";
        SqlError::new("42601", message)
    };
    let mut roles = clauses.iter().filter_map(|(_, clause)| match clause {
        Clause::Role(role) => Some(role.as_deref()),
        _ => None,
    });
    match (roles.next(), roles.next()) {
        (Some(Some("default" | IAM_ROLE_ARN)), None) => Ok(()),
        (Some(Some(other)), None) => {
            let message = format!("Not authorized to get credentials of role {other}");
            Err(SqlError::new("XX000", message))
        }
        _ => Err(role_error()),
    }
}

fn parse_format(clauses: &[(String, Clause)]) -> Result<CopyFormat, SqlError> {
    let format = clauses.iter().find_map(|(_, clause)| match clause {
        Clause::Format(format) => Some(format),
        _ => None,
    });
    match format {
        Some(DataFormat::Parquet) => parquet_options(clauses).map(CopyFormat::Parquet),
        Some(DataFormat::Json(mapping)) => {
            let options = json_options(clauses, mapping.clone())?;
            Ok(CopyFormat::Json(Box::new(options)))
        }
        None => Err(SqlError::unsupported(
            "the simulator supports FORMAT AS PARQUET and FORMAT AS JSON only",
        )),
    }
}

fn parquet_options(clauses: &[(String, Clause)]) -> Result<ParquetOptions, SqlError> {
    let mut options = ParquetOptions::default();
    for (name, clause) in clauses {
        match clause {
            Clause::FillRecord => options.fill_record = true,
            Clause::ExplicitIds => options.explicit_ids = true,
            Clause::Format(_)
            | Clause::Role(_)
            | Clause::Manifest
            | Clause::AcceptInvalidChars(_)
            | Clause::StatUpdate(_) => {}
            _ => {
                let message = format!("{name} argument is not supported for PARQUET based COPY");
                return Err(SqlError::unsupported(message));
            }
        }
    }
    Ok(options)
}

fn json_options(
    clauses: &[(String, Clause)],
    mapping: JsonMapping,
) -> Result<JsonOptions, SqlError> {
    let mut options = JsonOptions {
        mapping,
        ..JsonOptions::default()
    };
    for (name, clause) in clauses {
        match clause {
            Clause::Region(region) => options.region = Some(region.clone()),
            Clause::MaxError(count) => options.max_errors = Some(parse_max_error(*count)?),
            Clause::Compression(compression) => options.compression = Some(*compression),
            Clause::NoLoad => options.no_load = true,
            Clause::TruncateColumns => options.truncate_columns = true,
            Clause::EmptyAsNull => options.empty_as_null = true,
            Clause::BlanksAsNull => options.blanks_as_null = true,
            Clause::AcceptInvalidChars(None) => options.accept_invalid_chars = true,
            Clause::AcceptInvalidChars(Some(replacement)) => match replacement.as_str() {
                "?" => options.accept_invalid_chars = true,
                _ => {
                    let message = "the simulator supports ACCEPTINVCHARS with '?' only";
                    return Err(SqlError::unsupported(message));
                }
            },
            Clause::TimeFormat(format) => options.time_format = parse_time_format(format)?,
            Clause::Format(_)
            | Clause::Role(_)
            | Clause::Manifest
            | Clause::StatUpdate(_)
            | Clause::CompUpdate => {}
            Clause::FillRecord | Clause::ExplicitIds | Clause::Other => {
                let message = format!("{name} argument is not supported for JSON based COPY");
                return Err(SqlError::unsupported(message));
            }
        }
    }
    Ok(options)
}

fn parse_max_error(count: i64) -> Result<usize, SqlError> {
    match usize::try_from(count) {
        Ok(errors @ 1..) if count <= MAX_ERROR_LIMIT => Ok(errors),
        _ => {
            let message = format!("MAXERROR must be from 1 to {MAX_ERROR_LIMIT}, not {count}");
            Err(SqlError::new("22023", message))
        }
    }
}

fn parse_time_format(format: &str) -> Result<TimeFormat, SqlError> {
    match format {
        "YYYY-MM-DD HH:MI:SS" => Ok(TimeFormat::Standard),
        "epochmillisecs" => Ok(TimeFormat::EpochMillis),
        "epochsecs" => Ok(TimeFormat::EpochSeconds),
        _ => {
            let message = format!("the simulator does not support TIMEFORMAT '{format}'");
            Err(SqlError::unsupported(message))
        }
    }
}
