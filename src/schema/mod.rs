//! Renders the star schema as documents: the data dictionary as JSON and Markdown, and the sources of a dbt project.
//!
//! The documents contain what [`model`](crate::model) says, and nothing that it does not say.

mod dbt;
mod json;
mod markdown;
mod rule_text;
mod table_kind;

pub(crate) use dbt::dbt_sources;
pub(crate) use json::json_document;
pub(crate) use markdown::data_dictionary;
pub(crate) use rule_text::{filter_text, hash_text, rule_text};
pub(crate) use table_kind::TableKind;
