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
//! | [`RejectsJob`] | shows what a run rejected | [`RejectsReport`](crate::report::RejectsReport) |
//! | [`QueryJob`] | runs a saved query in a warehouse | [`QueryAnswer`](crate::report::QueryAnswer) |
//! | [`OperationsQueryJob`] | runs an operations query in a warehouse | [`ResultSet`](crate::report::ResultSet) |
//!
//! [`DatasetQueryJob`] writes a saved query as a script for DuckDB, which answers it from a dataset. [`schema_document`]
//! describes the star schema, which needs no configuration.
//!
//! Nothing here reads arguments, and nothing prints. The AWS client reads the files and environment variables that the
//! AWS command line reads. `examples/embedded_run.rs` runs a job from another program.

mod check;
mod clean;
mod create_tables;
mod history;
mod load;
mod load_target;
mod query;
mod rejects;
mod run;
mod schema;
mod status;

pub use check::CheckJob;
pub use clean::CleanJob;
pub use create_tables::{CreateTablesJob, TablesReport};
pub use history::{History, HistoryJob, HistorySource};
pub use load::LoadJob;
pub use load_target::LoadTarget;
pub use query::{DatasetQueryJob, OperationsQueryJob, QueryJob};
pub use rejects::RejectsJob;
pub use run::{CompletedRun, NothingNewRun, PublishedRun, RunJob, RunJobPlan};
pub use schema::{SchemaFormat, schema_document};
pub use status::{FailedSince, NewestSuccess, StaleReason, StatusJob, StatusReport};

// What the configuration of a job is made of, besides `config`.
pub use crate::warehouse::WarehouseConfig;
pub use crate::warehouse::connect::config::{ConnectionConfig, ConnectionFlags};
pub use crate::warehouse::connect::config_file::{ConfigFile, ConfigValue};
pub use crate::warehouse::connect::hosts::HostConfig;
pub use crate::warehouse::connect::keepalives::Keepalives;
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
