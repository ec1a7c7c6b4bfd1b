//! Runs the command that the arguments name.

use std::process::ExitCode;

use clap::Subcommand;

#[cfg(feature = "cloud")]
use super::up_job;
#[cfg(not(feature = "cloud"))]
use super::without_cloud;
use super::{down, pause, status, up};
use crate::cli::help;
use crate::error::Result;

/// Create a Redshift warehouse on AWS, and remove it
///
/// Everything is one stack of CloudFormation, from the template infra/warehouse.yaml. Every command can be
/// interrupted and repeated: it finishes what an earlier one began.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::with_exit_codes(EXAMPLES))]
pub(crate) struct InfraArgs {
    #[command(subcommand)]
    command: InfraCommand,
}

const EXAMPLES: &str = "Examples:
  sparkify infra up --allowed-cidr 10.64.0.0/22 --out s3://bucket/star
  sparkify infra status
  sparkify infra down";

#[derive(Debug, Subcommand)]
enum InfraCommand {
    Up(Box<up::UpArgs>),
    Status(status::InfraStatusArgs),
    Pause(pause::PauseArgs),
    Resume(pause::ResumeArgs),
    Down(down::DownArgs),
}

#[cfg(feature = "cloud")]
pub(crate) fn main(args: InfraArgs) -> Result<ExitCode> {
    let done = match args.command {
        InfraCommand::Up(args) => up_job::main(*args),
        // A failed warehouse is a result, and not a failure of the command.
        InfraCommand::Status(args) => return status::main(args),
        InfraCommand::Pause(args) => pause::main(args.target, false),
        InfraCommand::Resume(args) => pause::main(args.target, true),
        InfraCommand::Down(args) => down::main(args),
    };
    done.map(|()| ExitCode::SUCCESS)
}

#[cfg(not(feature = "cloud"))]
pub(crate) fn main(args: InfraArgs) -> Result<ExitCode> {
    let name = match args.command {
        InfraCommand::Up(_) => "up",
        InfraCommand::Status(_) => "status",
        InfraCommand::Pause(_) => "pause",
        InfraCommand::Resume(_) => "resume",
        InfraCommand::Down(_) => "down",
    };
    Err(without_cloud::error(&format!("infra {name}")))
}
