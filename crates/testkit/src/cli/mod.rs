//! The built binary from outside: commands, a sandbox to run them in, and assertions on what they print.
//!
//! A command is a [`std::process::Command`], so a test sets its arguments, environment and streams as usual.
//! [`CommandOutput::run`](output::CommandOutput::run) runs it.

pub mod checks;
pub mod command;
pub mod generated_data;
pub mod mounts;
pub mod output;
pub mod sandbox;
pub mod snapshot;
pub mod stopped_command;
