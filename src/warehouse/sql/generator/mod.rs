//! Generates the SQL of a warehouse from the description of the star schema.

#[allow(dead_code, reason = "the generator is being written")]
mod list;
