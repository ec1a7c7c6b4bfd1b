//! Renders the SQL of a load from the templates that the binary contains.

pub mod load_plan;
pub mod template;
