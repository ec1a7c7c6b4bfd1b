//! Generates the merge of the staging tables into the tables of a warehouse.
//!
//! `statements` puts it together from the operators: `pick` for tables with one row for each key, `fact` with `deliveries`
//! for the fact table, and `history`. They update and insert by `rows`, choose by `order` and `ranking`, and share
//! `fact_tables`.

mod deliveries;
mod fact;
mod fact_tables;
mod history;
mod order;
mod pick;
mod ranking;
mod rows;
mod statements;

pub(crate) use fact_tables::FactTables;
pub(crate) use order::order_by;
pub(crate) use statements::merge_statements;
