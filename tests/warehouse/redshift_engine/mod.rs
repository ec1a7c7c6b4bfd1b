//! `sparkify run --engine redshift`: the transform inside Redshift, on the simulator. It has the same results as the engine
//! in this process, apart from the differences that its documentation lists.

mod batches;
mod commands;
mod crash;
mod differences;
mod input_objects;
mod jsonpaths;
mod keep_staging;
mod large_records;
mod mixed;
mod options;
mod parity;
mod rejects;
mod signals;
mod support;
mod transform;
