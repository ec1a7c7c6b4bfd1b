//! `sparkify infra`: creates a warehouse on AWS, shows it, pauses it, and removes it.

#[cfg(feature = "cloud")]
mod ask;
mod aws_args;
mod command;
mod down;
mod pause;
#[cfg(feature = "cloud")]
mod render;
mod status;
mod up;
#[cfg(feature = "cloud")]
mod up_job;
#[cfg(not(feature = "cloud"))]
mod without_cloud;

pub(super) use command::{InfraArgs, main};
