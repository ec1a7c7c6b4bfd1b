//! Plans and writes what the engine inside Redshift needs in S3 before its COPYs.
//!
//! COPY reads the input objects themselves. For each kind of record it needs a manifest of them for each compression
//! (which is a parameter of the whole COPY) and the JSONPaths that turn keys into columns. A list of all input objects
//! with their ETags, for the history of loads, is copied too. All of it is below `OUT/RUN/staging/`, is written before
//! the transaction begins, and is nothing but a description: an abandoned run leaves no data.

mod given_jsonpaths;
mod jsonpaths;
mod plan;
mod raw_source;
#[cfg(test)]
mod tests;
mod upload;

pub use given_jsonpaths::GivenJsonPaths;
pub use plan::{RawCopy, RawStagingPlan};
pub use raw_source::{RawObject, RawSource};
