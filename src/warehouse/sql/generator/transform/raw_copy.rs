//! Copies raw records from JSON.

use super::raw_staging::SOURCE_LIST;
use crate::model::RecordSchema;
use crate::warehouse::sql::generator::list::list_in_parentheses;
use crate::warehouse::sql::statement::{Effect, Statement};

/// Where a COPY of JSON takes its records from, and how it reads them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JsonSource<'a> {
    /// The URL of the manifest, as an SQL literal.
    pub manifest: &'a str,
    /// The URL of the paths of the columns, or `'auto'`, as an SQL literal.
    pub jsonpaths: &'a str,
    /// The parameter for the kind of compression.
    pub compression: Option<&'static str>,
    /// The value of IAM_ROLE: the role with which Redshift reads the bucket.
    pub iam_role: &'a str,
    /// The region of the bucket, as an SQL literal, if it is not that of the warehouse.
    pub region: Option<&'a str>,
    /// The number of errors at which COPY fails. Without it, the first error fails it.
    pub max_error: Option<u32>,
}

impl JsonSource<'_> {
    /// Returns the clauses after the target. By default the first COPY into an empty table loads a sample, chooses the
    /// compression of each column by it and recreates the table, which does not pay for a table that is read a few times.
    fn clauses(&self) -> String {
        let Self {
            manifest,
            jsonpaths,
            iam_role,
            ..
        } = self;
        let mut clauses =
            format!("FROM {manifest} IAM_ROLE {iam_role}\nFORMAT AS JSON {jsonpaths} MANIFEST");
        if let Some(compression) = self.compression {
            clauses.push_str(&format!(" {compression}"));
        }
        if let Some(region) = self.region {
            clauses.push_str(&format!(" REGION {region}"));
        }
        if let Some(max_error) = self.max_error {
            clauses.push_str(&format!(" MAXERROR {max_error}"));
        }
        clauses.push_str(" COMPUPDATE OFF");
        clauses
    }
}

/// Returns the statement that copies raw records of a kind. `columns` are the columns of their table in the order of the
/// paths.
pub(crate) fn raw_copy_statement(
    record: &'static RecordSchema,
    columns: &[String],
    source: JsonSource<'_>,
) -> Statement {
    let before = format!("COPY {} ", record.staging_table());
    let target = list_in_parentheses(&before, columns, 0);
    Statement::new(
        Effect::CopyRecords(record),
        format!("{target}\n{}", source.clauses()),
    )
}

/// Returns the statement that copies the list of the objects that raw records are from.
pub(crate) fn source_list_copy_statement(source: JsonSource<'_>) -> Statement {
    Statement::new(
        Effect::CopySourceObjects,
        format!("COPY {SOURCE_LIST}\n{}", source.clauses()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sparkify::SONG_RECORD;

    #[test]
    fn only_given_parameters_are_written() {
        let source = JsonSource {
            manifest: "'s3://b/m'",
            jsonpaths: "'auto'",
            compression: None,
            iam_role: "default",
            region: None,
            max_error: None,
        };
        let sql = source_list_copy_statement(source).sql;
        let expected = "COPY staging_objects\nFROM 's3://b/m' IAM_ROLE default\nFORMAT AS JSON 'auto' MANIFEST COMPUPDATE OFF";
        assert_eq!(sql, expected);
        let source = JsonSource {
            compression: Some("GZIP"),
            region: Some("'eu-west-1'"),
            max_error: Some(11),
            ..source
        };
        let sql = raw_copy_statement(&SONG_RECORD, &["title".to_owned()], source).sql;
        assert!(
            sql.starts_with("COPY staging_songs (title)\nFROM "),
            "{sql}"
        );
        assert!(
            sql.ends_with(" MANIFEST GZIP REGION 'eu-west-1' MAXERROR 11 COMPUPDATE OFF"),
            "{sql}"
        );
    }
}
