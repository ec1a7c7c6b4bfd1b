//! Tests of the kernels on another model than the built-in one: keys of several columns and types, numbers that may be
//! null, and a lookup by a number. The expected rows are computed by plain loops.

mod calendar;
mod deliveries;
mod fact;
mod picks;
mod records;
mod shops;
