//! Describes the star schema.

use crate::model::sparkify::SPARKIFY;
use crate::schema::{data_dictionary, dbt_sources, json_document};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::table_ddl::{TablesRequest, ddl_script};

/// A format of the description of the star schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaFormat {
    /// A JSON document with all that is known about records, tables and rules, for programs.
    Json,
    /// The data dictionary: tables and columns with their meaning, in Markdown.
    Markdown,
    /// The SQL script that creates the tables in a warehouse.
    Sql(Dialect),
    /// The `sources:` of a dbt project, in YAML.
    Dbt,
}

/// Returns the description of the star schema as a document. It needs neither a dataset nor a warehouse.
pub fn schema_document(format: SchemaFormat) -> String {
    match format {
        SchemaFormat::Json => json_document(&SPARKIFY),
        SchemaFormat::Markdown => data_dictionary(&SPARKIFY),
        SchemaFormat::Sql(dialect) => ddl_script(dialect, TablesRequest::default()),
        SchemaFormat::Dbt => dbt_sources(&SPARKIFY),
    }
}
