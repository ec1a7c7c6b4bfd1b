//! `sparkify schema`: prints the description of the star schema.

use clap::ValueEnum;

use super::help;
use super::render::schema::schema_tables;
use super::stdout::print;
use crate::error::Result;
use crate::jobs::{Dialect, SchemaFormat, schema_document};
use crate::model::sparkify::SPARKIFY;

/// Print the star schema: tables, columns, SQL, dbt sources
///
/// Describes the records of the input, the tables with their columns and keys, and the rules by which
/// rows follow from records. Reads no input and connects to no warehouse.
#[derive(Debug, clap::Args)]
#[command(after_help = formats_help(), after_long_help = help::with_exit_codes(EXAMPLES))]
pub(super) struct SchemaArgs {
    /// Format of the description [default: text]
    ///
    /// text: tables for a terminal. json: everything, for programs. markdown: the data dictionary with
    /// the meaning of each column. sql-redshift and sql-postgres: what create-tables runs. dbt: sources
    /// of a dbt project, with tests.
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_default_value = true,
        hide_possible_values = true
    )]
    format: FormatArg,
}

const EXAMPLES: &str = r"Examples:
  sparkify schema
  sparkify schema --format sql-postgres
  sparkify schema --format dbt > models/sparkify.yml
  sparkify schema --format json \
    | jq -r '.tables[] | .name as $table | .columns[] | [$table, .name] | @csv'";

/// Returns the end of the short help: the names of the formats, which do not fit the line of the flag.
fn formats_help() -> String {
    let formats = FormatArg::value_variants().iter();
    let names = formats.filter_map(ValueEnum::to_possible_value);
    let names: Vec<_> = names.map(|name| name.get_name().to_owned()).collect();
    format!("Formats: {}", names.join(", "))
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatArg {
    Text,
    Json,
    Markdown,
    SqlRedshift,
    SqlPostgres,
    Dbt,
}

pub(super) fn main(args: &SchemaArgs) -> Result<()> {
    print(&match args.format {
        FormatArg::Text => schema_tables(&SPARKIFY),
        FormatArg::Json => schema_document(SchemaFormat::Json),
        FormatArg::Markdown => schema_document(SchemaFormat::Markdown),
        FormatArg::SqlRedshift => schema_document(SchemaFormat::Sql(Dialect::Redshift)),
        FormatArg::SqlPostgres => schema_document(SchemaFormat::Sql(Dialect::Postgres)),
        FormatArg::Dbt => schema_document(SchemaFormat::Dbt),
    })
}
