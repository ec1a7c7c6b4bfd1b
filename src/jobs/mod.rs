//! The jobs of the program, for the command line and for other programs.
//!
//! A job is a struct with its checked configuration. Its `execute` does the work, reports progress and warnings to
//! an [`Observer`](crate::observer::Observer), and returns a typed result:
//!
//! | job | work | result |
//! |---|---|---|
//! | [`RunJob`] | builds a dataset from songs and logs, or replays the rejects of another run, and loads it if a warehouse is named | [`CompletedRun`] |
//! | [`LoadJob`] | loads a published dataset into a warehouse | [`LoadReport`](crate::report::LoadReport) |
//! | [`CreateTablesJob`] | creates or upgrades the tables of a warehouse | [`TablesReport`] |
//! | [`CheckJob`] | verifies a published dataset as a reader would | [`CheckReport`](crate::report::CheckReport) |
//! | [`CleanJob`] | removes abandoned, failed and superseded runs | [`CleanPlan`](crate::report::CleanPlan) |
//! | [`HistoryJob`] | lists the loads of a warehouse, or the runs at an output | [`History`] |
//! | [`StatusJob`] | tells how old the newest load or run and the newest event are | [`StatusReport`] |
//! | [`DoctorJob`] | checks every link of the chain from the input to the warehouse | [`DoctorReport`] |
//! | [`RejectsJob`] | shows what a run rejected | [`RejectsReport`](crate::report::RejectsReport) |
//! | [`QueryJob`] | runs a saved query in a warehouse | [`QueryAnswer`](crate::report::QueryAnswer) |
//! | [`OperationsQueryJob`] | runs an operations query in a warehouse | [`ResultSet`](crate::report::ResultSet) |
//!
//! With the cargo feature `cloud`, `InfraUpJob`, `InfraStatusJob`, `InfraPauseJob` and `InfraDownJob` create, show, pause and
//! remove a warehouse on AWS.
//!
//! [`DatasetQueryJob`] writes a saved query as a script for DuckDB, which answers it from a dataset. [`schema_document`]
//! describes the star schema, which needs no configuration.
//!
//! Nothing here reads arguments, and nothing prints. The AWS client reads the files and environment variables that the
//! AWS command line reads. `examples/embedded_run.rs` runs a job from another program.

mod check;
mod clean;
mod cloud_login;
mod create_tables;
mod doctor;
mod history;
#[cfg(feature = "cloud")]
mod infra;
mod load;
mod load_target;
mod query;
mod rejects;
mod run;
mod schema;
mod status;

pub use check::CheckJob;
pub use clean::CleanJob;
pub use cloud_login::with_cloud_login;
pub use create_tables::{CreateTablesJob, TablesReport};
pub use doctor::{DoctorJob, DoctorReport};
pub use history::{History, HistoryJob, HistorySource};
#[cfg(feature = "cloud")]
pub use infra::{InfraDownJob, InfraPauseJob, InfraStatusJob, InfraUpJob};
pub use load::LoadJob;
pub use load_target::LoadTarget;
pub use query::{DatasetQueryJob, OperationsQueryJob, QueryJob};
pub use rejects::RejectsJob;
pub use run::{CompletedRun, NothingNewRun, PublishedRun, RunJob, RunJobPlan};
pub use schema::{SchemaFormat, schema_document};
pub use status::{FailedSince, NewestSuccess, StaleReason, StatusJob, StatusReport};

// What the configuration of a job is made of, besides `config`.
#[cfg(feature = "cloud")]
pub use crate::cloud::infra::{
    Answer, Ask, DownPlan, DownReport, FinalSnapshot, HourlyCost, InfraQuestion, InfraStatus,
    OnFailure, PRICES_AS_OF, ParameterChange, PauseOutcome, PauseReport, PlannedResource, Snapshot,
    UpPlan, UpReport, UpResult, WarehouseStatus,
};
pub use crate::warehouse::WarehouseConfig;
pub use crate::warehouse::connect::config::{ConnectionConfig, ConnectionFlags};
pub use crate::warehouse::connect::config_file::{ConfigFile, ConfigValue};
pub use crate::warehouse::connect::hosts::HostConfig;
pub use crate::warehouse::connect::keepalives::Keepalives;
pub use crate::warehouse::connect::login_source::{Login, LoginSource};
pub use crate::warehouse::connect::managed_login::{
    IamLogin, IamTarget, ManagedLogin, PasswordSecret,
};
pub use crate::warehouse::connect::target_session::TargetSession;
pub use crate::warehouse::connect::tls::{
    ClientCertificate, ClientCertificateMode, RootCerts, TlsConfig, TlsMode, TlsNegotiation,
    TlsSettings, TlsVersion,
};
pub use crate::warehouse::connect::value_source::{ValueSource, ValueSources};
pub use crate::warehouse::create_tables::{ConfirmDrop, ExistingTableTotals};
pub use crate::warehouse::dialect::Dialect;
pub use crate::warehouse::iam_role::IamRole;
pub use crate::warehouse::operations_query::{OPERATIONS_QUERIES, OperationsQuery};
pub use crate::warehouse::saved_query::{QueryParams, SAVED_QUERIES, SavedQuery};
pub use crate::warehouse::sql::generator::TableChange;
pub use crate::warehouse::table_ddl::ExistingTables;
