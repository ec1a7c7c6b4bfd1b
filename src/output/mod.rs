//! Output: Parquet parts, reject files and the report, put in place as one step.
//!
//! The last stage of the data path. Everything is written to a [`Staging`] folder beside the place
//! where it is wanted, which [`Staging::publish`] exchanges for what is there.

mod encode;
mod pack;
mod parquet;
mod publish;
mod rejects;
pub mod report;

pub use self::parquet::PartWriter;
pub use publish::{REJECTS, REPORT, Staging};
pub use rejects::{RejectWriter, shift_lines};
