//! Generates the SQL of a warehouse from the description of the star schema.

#[allow(dead_code, reason = "the generator is being written")]
mod list;

mod clause;
mod expression;
mod fact_tables;
mod merge;
mod merge_deliveries;
mod merge_fact;
mod merge_history;
mod merge_pick;
mod merge_rows;
mod order;
mod ranking;
mod temp_table;
mod verify;

#[cfg(test)]
mod tests;
