//! The SQL of a load: the scripts that the binary contains, and the statements made from them.

pub mod load_plan;
pub mod template;
