//! `sparkify run --engine redshift`: the transform inside Redshift, on the simulator. It has the same results as the engine
//! in this process, apart from the differences that its documentation lists.

mod differences;
mod parity;
mod rejects;
mod support;
