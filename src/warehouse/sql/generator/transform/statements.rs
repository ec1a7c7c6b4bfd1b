//! Fills the staged tables of the star schema from the valid records.

use crate::model::Model;
use crate::warehouse::sql::statement::Statement;

/// Returns the statements that fill the staged tables.
pub(crate) fn transform_statements(_model: &Model) -> Vec<Statement> {
    Vec::new()
}
