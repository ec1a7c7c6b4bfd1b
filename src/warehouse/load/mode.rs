//! Decides whether a load keeps the rows in the warehouse.

use std::collections::HashSet;

/// What a load does with the rows in the warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LoadMode {
    /// Merges the dataset with them.
    Incremental,
    /// Deletes them first.
    FullRefresh {
        /// The runs that were loaded when the command began. The refresh must not delete runs that others have loaded
        /// since then.
        runs_before: HashSet<String>,
    },
}
