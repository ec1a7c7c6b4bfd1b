//! The warehouse: where a published star is loaded, the end of the data path.

pub mod address;
pub mod config_file;
pub mod failure;
pub mod iam_role;
mod parts;
mod passfile;
pub mod secret;
pub mod session;
pub mod tls;
