//! The comments at the top of the scripts of the transform. An empty line separates paragraphs.

use super::raw_staging::source_list_columns;
use super::source_objects::object_kind;
use crate::model::{Model, RecordSchema, TableRule, TableSchema};

/// The files that a COPY of raw records needs.
const COPY_FILES: [&str; 2] = ["manifest", "jsonpaths"];

/// Returns the variables of psql that name the manifest and the JSONPaths file of a kind of record.
pub(super) fn record_variables(record: &RecordSchema) -> [String; 2] {
    COPY_FILES.map(|file| format!("{}s_{file}", record.name))
}

pub(super) fn staging(model: &Model, scripts: &[String]) -> String {
    let mut arguments = vec!["-v iam_role=default".to_owned()];
    arguments.push("-v source_list=s3://BUCKET/PREFIX/source_objects.manifest".to_owned());
    for record in model.records {
        let kind = object_kind(model, record).plural();
        for (variable, file) in record_variables(record).iter().zip(COPY_FILES) {
            arguments.push(format!("-v {variable}=s3://BUCKET/PREFIX/{kind}.{file}"));
        }
    }
    arguments.push("-f sql/redshift/stage.sql".to_owned());
    arguments.extend(
        scripts
            .iter()
            .map(|name| format!("-f sql/redshift/transform/{name}.sql")),
    );
    let last = ["count", "merge", "verify", "commit"];
    arguments.extend(last.map(|name| format!("-f sql/redshift/{name}.sql")));
    format!(
        "Creates the tables of raw records, for a load of JSON that Redshift itself transforms.

Run all files of a load by one call of psql, because they need one session. The first error ends psql. Without commit.sql \
         nothing is changed: run the command without it first, and read the counts and the rejected records.

Usage:
psql -v run=ID \\\n    {}

ID is any text of at most 64 bytes that {} does not have yet. The variable iam_role is default or, with quotes of its own, \
         the ARN of a role: -v iam_role=\"'arn:aws:iam::123456789012:role/NAME'\".

Each manifest lists JSON objects of one kind: {{\"entries\":[{{\"url\":\"s3://...\",\"mandatory\":true}}]}}. The paths have the \
         order of the columns: {{\"jsonpaths\":[\"$['artist']\",...]}}. The source list has a JSON object for each object, with its \
         {}.",
        arguments.join(" \\\n    "),
        model.load_history.name,
        source_list_columns(model)
            .iter()
            .map(|column| column.name)
            .collect::<Vec<_>>()
            .join(", "),
    )
}

pub(super) fn copy() -> String {
    "Copies raw records from JSON into their tables, as text.

Usage: after staging.sql; staging.sql has the whole command.

For objects that are compressed, add GZIP, BZIP2 or ZSTD after MANIFEST, with a COPY for each kind. For a bucket in another \
     region, add REGION 'NAME'. The first record that COPY cannot read fails it. With MAXERROR n it reads on until there are n \
     of them, and the query after each COPY lists them. With COMPUPDATE OFF it does not load a sample first to choose how \
     columns are compressed: the tables are read only a few times."
        .to_owned()
}

pub(super) fn check(record: &RecordSchema) -> String {
    format!(
        "Separates the valid {name}s from the rejected ones, by the same rules as sparkify run --engine \
         in-process.

Usage: after copy.sql; staging.sql has the whole command.

Every value is a text here, and null if the record lacks the key. Redshift ignores trailing blanks when it compares texts; \
         lengths do not. The first reason counts, in the order type, range, missing, too_long, then the first key.",
        name = record.name
    )
}

pub(super) fn count() -> String {
    "Counts the raw records and lists the rejected ones.

Usage: after the checks; staging.sql has the whole command.

psql goes on whatever the counts are, so read them before you commit."
        .to_owned()
}

pub(super) fn table(table: &TableSchema) -> String {
    let source = match table.rule {
        TableRule::SourceObjects => "the list of objects and the counts of records",
        TableRule::Fact(_)
        | TableRule::Pick(_)
        | TableRule::Calendar
        | TableRule::PickState { .. }
        | TableRule::LookupKeys { .. }
        | TableRule::LoadHistory => "the valid records",
    };
    format!(
        "Fills the staged table of {}, from {source}.

Usage: after the checks, in the order of the command in staging.sql.",
        table.name
    )
}
