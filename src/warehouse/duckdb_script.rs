//! Writes a saved query as one script for DuckDB, which answers it from the Parquet parts of a dataset.

use std::path::Path;

use url::Url;

use super::saved_query::{QueryParams, SavedQuery};
use super::sql::literal::quote_identifier;
use crate::error::{Error, Result};
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;
use crate::output::PublishedDataset;
use crate::storage::s3::{S3Endpoint, S3Options};
use crate::storage::{GLOB_METACHARACTERS, Location};

/// Defines the one function of the saved queries that DuckDB lacks, for the formats that they use.
const TO_CHAR_MACRO: &str = "CREATE OR REPLACE TEMP MACRO to_char(moment, pattern) AS
    strftime(moment, replace(replace(replace(pattern, 'YYYY', '%Y'), 'MM', '%m'), 'DD', '%d'));
";

/// How DuckDB reaches the bucket of a dataset in S3.
#[derive(Debug)]
pub(crate) struct DuckDbS3Access<'a> {
    /// The options of the command.
    pub options: &'a S3Options,
    /// The endpoint and the region that they, the environment and the profile lead to.
    pub endpoint: S3Endpoint,
}

/// Returns a script that defines the tables of the star schema as views of the parts of a dataset, asks the question of a
/// saved query, and counts the plays that it considers. It changes nothing in the database in which it runs.
///
/// # Errors
/// Returns an error if the parts cannot be listed, or if DuckDB cannot read a file with the name of one.
pub(crate) fn duckdb_script(
    dataset: &PublishedDataset,
    s3: Option<&DuckDbS3Access<'_>>,
    query: &SavedQuery,
    params: &QueryParams,
) -> Result<String> {
    let mut script = format!("-- {}\n", query.description());
    script += &format!(
        "-- The answer of run {}, for DuckDB.\n\n",
        dataset.report().run
    );
    if let Some(s3) = s3 {
        script += &s3_setup(dataset.location(), s3)?;
    }
    script += TO_CHAR_MACRO;
    for table in SPARKIFY.star {
        script += &table_view(dataset, table)?;
    }
    script += &format!("\n{};\n", query.sql(params)?);
    script += &format!(
        "\n-- The plays that the answer is about, and all plays in the range.\n{};\n",
        query.coverage_sql(params)?
    );
    Ok(script)
}

/// Returns the statement that defines a table as a view of its parts. A table without parts has no rows.
fn table_view(dataset: &PublishedDataset, table: &TableSchema) -> Result<String> {
    let name = quote_identifier(table.name);
    let parts = dataset.list_parts(table)?;
    if parts.is_empty() {
        let columns = table.columns.iter().map(|column| {
            let name = quote_identifier(column.name);
            format!(
                "CAST(NULL AS {}) AS {name}",
                column.ty.to_string().to_uppercase()
            )
        });
        let columns: Vec<_> = columns.collect();
        return Ok(format!(
            "CREATE OR REPLACE TEMP VIEW {name} AS SELECT\n    {}\nWHERE FALSE;\n",
            columns.join(",\n    ")
        ));
    }
    let files = parts.iter().map(|part| {
        let file = match dataset.location() {
            Location::Local(folder) => absolute_path(&folder.join(&part.key))?,
            Location::S3 { .. } => dataset.display(part),
        };
        Ok(format!("    {}", quote_file(&file)?))
    });
    let files: Vec<_> = files.collect::<Result<_>>()?;
    // A folder such as year=2018 in the path must not become a column.
    Ok(format!(
        "CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM read_parquet([\n{}\n], hive_partitioning = FALSE);\n",
        files.join(",\n")
    ))
}

/// Returns the absolute path of a file, so that the script works in any folder.
fn absolute_path(path: &Path) -> Result<String> {
    let absolute = std::path::absolute(path).map_err(|e| Error::io("cannot resolve", path, e))?;
    absolute.into_os_string().into_string().map_err(|_| {
        Error::failed(format!("cannot name {} in SQL", path.display()))
            .with_reason("the path is not UTF-8")
            .with_hint("rename its folder")
    })
}

/// Quotes the name of a file, which DuckDB reads as a glob. In it a wildcard stands for itself in brackets. A backslash
/// stands for itself only if there is no wildcard.
fn quote_file(file: &str) -> Result<String> {
    let has_wildcard = file.contains(GLOB_METACHARACTERS);
    if has_wildcard && file.contains('\\') {
        return Err(Error::failed(format!("cannot name {file} for DuckDB"))
            .with_reason("the name contains a backslash, and one of the wildcards *, ? and [")
            .with_hint("rename its folder"));
    }
    let mut pattern = String::with_capacity(file.len());
    for c in file.chars() {
        match GLOB_METACHARACTERS.contains(&c) {
            true => pattern.extend(['[', c, ']']),
            false => pattern.push(c),
        }
    }
    Ok(quote_text(&pattern))
}

/// Quotes a text for DuckDB, where a backslash does not escape.
fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns the statements that let DuckDB read the bucket. The credentials are those that DuckDB finds by itself where it
/// runs, and only for this bucket.
fn s3_setup(location: &Location, s3: &DuckDbS3Access<'_>) -> Result<String> {
    let Location::S3 { bucket, .. } = location else {
        return Ok(String::new());
    };
    let mut settings = vec!["TYPE s3".to_owned()];
    let mut extensions = vec!["httpfs"];
    let aws = &s3.options.aws;
    if aws.no_sign_request {
        settings.push("PROVIDER config".to_owned());
    } else {
        extensions.push("aws");
        settings.push("PROVIDER credential_chain".to_owned());
        if let Some(profile) = &aws.profile {
            settings.push("CHAIN 'sso;process;config'".to_owned());
            settings.push(format!("PROFILE {}", quote_text(profile)));
        }
    }
    settings.push(format!("REGION {}", quote_text(&s3.endpoint.region)));
    if let Some(endpoint) = &s3.endpoint.custom {
        let url = Url::parse(endpoint).map_err(|e| {
            Error::usage("cannot name the endpoint of S3 for DuckDB").with_reason(e)
        })?;
        let host = &url[url::Position::BeforeHost..url::Position::AfterPath];
        settings.push(format!(
            "ENDPOINT {}",
            quote_text(host.trim_end_matches('/'))
        ));
        settings.push("URL_STYLE 'path'".to_owned());
        if url.scheme() == "http" {
            settings.push("USE_SSL FALSE".to_owned());
        }
    }
    if s3.options.request_payer {
        settings.push("REQUESTER_PAYS TRUE".to_owned());
    }
    settings.push(format!("SCOPE {}", quote_text(&format!("s3://{bucket}/"))));
    let mut setup = String::new();
    for extension in extensions {
        setup += &format!("INSTALL {extension};\nLOAD {extension};\n");
    }
    setup += &format!(
        "CREATE OR REPLACE TEMPORARY SECRET sparkify_dataset (\n    {}\n);\n",
        settings.join(",\n    ")
    );
    Ok(setup)
}
