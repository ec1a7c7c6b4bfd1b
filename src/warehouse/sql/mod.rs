//! The SQL that is sent to warehouses: the generated statements, and the saved queries of `sql/analytics`.

pub(crate) mod generator;
pub(crate) mod literal;
pub(crate) mod statement;
pub(crate) mod template;
