//! Renders the SQL of a load from the templates that the binary contains.

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the generator of SQL is being written")
)]
mod generator;
pub(crate) mod load_plan;
#[allow(dead_code, reason = "the generator of SQL is being written")]
pub(crate) mod statement;
pub(crate) mod template;
