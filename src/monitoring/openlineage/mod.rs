//! OpenLineage events: what a job reads and writes, for catalogs of data such as Marquez and DataHub.
//!
//! The events follow version 2-0-2 of the specification (`spec/OpenLineage.json`), and its naming conventions for datasets.

mod dataset;
mod event;
mod lineage;
mod options;

pub(super) use lineage::Lineage;
pub(crate) use options::{LineageOptions, LineageTarget, ParentRun};
