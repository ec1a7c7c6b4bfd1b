//! `sparkify doctor` on warehouses: each fault is named by one check, and nothing is left behind.

mod postgres;
mod redshift;
