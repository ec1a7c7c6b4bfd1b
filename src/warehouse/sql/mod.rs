//! Renders the SQL of a load from the templates that the binary contains.

pub(crate) mod load_plan;
pub(crate) mod template;
