//! Datasets: the directory of one, the parts that can be compared, and the runs in a bucket.

pub mod contents;
pub mod directory;
pub mod published_run;
