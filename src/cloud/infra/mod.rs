//! Creates, shows, pauses and removes a Redshift warehouse on AWS, as a stack of CloudFormation.
//!
//! CloudFormation is the only memory: what an earlier command began is found by the name of the stack, so that every command
//! can be interrupted and repeated.

mod config_file;
mod down;
mod failure;
mod leftovers;
mod pause;
mod plan;
mod poll;
mod prices;
mod question;
mod snapshots;
mod stack;
mod stack_requests;
mod stack_status;
mod status;
mod template;
mod up;
mod usage_limit;
mod warehouse;

pub use down::{DownReport, FinalSnapshot};
pub(crate) use down::{DownRequest, take_down};
pub use pause::{PauseOutcome, PauseReport};
pub(crate) use pause::{pause, resume};
pub use plan::{ParameterChange, PlannedResource, UpPlan};
pub use prices::{HourlyCost, PRICES_AS_OF};
pub use question::{Answer, Ask, DownPlan, InfraQuestion};
pub use snapshots::Snapshot;
pub(crate) use status::read_status;
pub use status::{InfraStatus, WarehouseStatus};
pub use up::{OnFailure, UpReport, UpResult};
pub(crate) use up::{UpRequest, bring_up};
