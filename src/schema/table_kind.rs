//! The kinds of tables.

use std::fmt;

use serde::Serialize;

use crate::model::{Model, TableRule, TableSchema};

/// The purpose of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TableKind {
    /// A table of what happened.
    Fact,
    /// A table that describes what facts refer to.
    Dimension,
    /// What a later load needs to know, and the star schema does not contain.
    MergeState,
    /// What was loaded into a warehouse.
    LoadHistory,
}

impl TableKind {
    /// Returns the kind of a table.
    pub(crate) fn of(model: &Model, table: &TableSchema) -> Self {
        match table.rule {
            TableRule::Fact(_) => Self::Fact,
            TableRule::LoadHistory => Self::LoadHistory,
            TableRule::Pick(_) | TableRule::Calendar if model.star.contains(&table) => {
                Self::Dimension
            }
            TableRule::Pick(_)
            | TableRule::Calendar
            | TableRule::PickState { .. }
            | TableRule::LookupKeys { .. }
            | TableRule::SourceObjects => Self::MergeState,
        }
    }
}

impl fmt::Display for TableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fact => "fact",
            Self::Dimension => "dimension",
            Self::MergeState => "merge state",
            Self::LoadHistory => "load history",
        })
    }
}
