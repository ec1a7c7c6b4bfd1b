//! Renders results as text for a terminal, and as JSON or CSV.

pub(super) mod check;
pub(super) mod clean;
pub(super) mod coverage;
pub(super) mod doctor;
pub(super) mod dry_run;
pub(super) mod failure;
pub(super) mod history;
pub(super) mod load;
pub(super) mod man_page;
pub(super) mod numbers;
pub(super) mod rejects;
pub(super) mod result_set;
pub(super) mod run;
pub(super) mod schema;
pub(super) mod share_bar;
pub(super) mod status;
