//! Plans the statements that fill the staging tables of a load from raw records.

use crate::config::{MaxRejects, RedshiftEngineOptions};
use crate::error::Result;
use crate::input::RecordKind;
use crate::model::RecordSchema;
use crate::model::sparkify::SPARKIFY;
use crate::output::raw_staging::RawStagingPlan;
use crate::pipeline::record_schema;
use crate::warehouse::iam_role::IamRole;
use crate::warehouse::sql::generator::{
    JsonSource, LoadErrorView, check_statements, fact_summary_statement, load_errors_statement,
    raw_copy_statement, raw_staging_statements, record_counts_statement,
    rejected_records_statement, source_list_copy_statement, transform_statements,
};
use crate::warehouse::sql::literal::quote_literal;
use crate::warehouse::sql::statement::Statement;

/// The maximum of MAXERROR (Amazon Redshift Database Developer Guide, "Data load parameters").
const MAX_MAX_ERROR: u32 = 100_000;

/// Returns the statements, in order: the raw records are copied, checked and transformed.
///
/// # Errors
/// Returns an error if a URL cannot be quoted in SQL.
pub(super) fn raw_statements(
    plan: &RawStagingPlan<'_>,
    options: &RedshiftEngineOptions,
    max_rejects: MaxRejects,
    iam_role: &IamRole,
) -> Result<Vec<Statement>> {
    let model = &SPARKIFY;
    let iam_role = iam_role.to_string();
    let region = options
        .copy_region
        .as_deref()
        .map(quote_literal)
        .transpose()?;
    let manifest = quote_literal(&plan.source_objects_manifest)?;
    let mut statements = raw_staging_statements(model, options.keep_staging);
    statements.push(source_list_copy_statement(JsonSource {
        manifest: &manifest,
        jsonpaths: "'auto'",
        compression: None,
        iam_role: &iam_role,
        region: region.as_deref(),
        max_error: None,
    }));
    for copy in &plan.copies {
        let record = record_schema(copy.kind);
        let source = JsonSource {
            manifest: &quote_literal(&copy.manifest)?,
            jsonpaths: &quote_literal(&copy.jsonpaths)?,
            compression: copy.compression,
            iam_role: &iam_role,
            region: region.as_deref(),
            max_error: Some(max_error(max_rejects)),
        };
        statements.push(raw_copy_statement(record, &copy.columns, source));
        statements.push(load_errors_statement(record, LoadErrorView::Stl));
    }
    statements.extend(check_statements(model));
    for record in records() {
        statements.push(rejected_records_statement(record));
    }
    statements.push(record_counts_statement(model));
    statements.extend(transform_statements(model));
    statements.push(fact_summary_statement(model));
    Ok(statements)
}

/// Returns the schemas of the records.
fn records() -> [&'static RecordSchema; 2] {
    RecordKind::ALL.map(record_schema)
}

/// Returns the number of errors at which a COPY fails: one more than are tolerated. A percentage is checked afterwards.
pub(super) fn max_error(max_rejects: MaxRejects) -> u32 {
    match max_rejects {
        MaxRejects::Count(count) => {
            let count = u32::try_from(count).unwrap_or(MAX_MAX_ERROR);
            count.saturating_add(1).min(MAX_MAX_ERROR)
        }
        MaxRejects::Percent(_) => MAX_MAX_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_fails_at_one_error_more_than_are_tolerated() {
        assert_eq!(max_error(MaxRejects::Count(0)), 1);
        assert_eq!(max_error(MaxRejects::Count(99_999)), MAX_MAX_ERROR);
        assert_eq!(max_error(MaxRejects::Count(u64::MAX)), MAX_MAX_ERROR);
        assert_eq!(max_error(MaxRejects::Percent(0.0)), MAX_MAX_ERROR);
    }
}
