//! `sparkify doctor` in a bucket: each fault is named by one check, and nothing is left behind.

mod faults;
mod fixture;
mod results;
