//! The warehouse, on a real PostgreSQL server that runs only for these tests.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

// Tests of the connection configuration.
mod cli_arguments;
mod config_file;
mod connection_config;
mod connection_parameters;
mod password_leaks;
mod pgpass;

// Tests of sessions.
mod doctor;
mod login_errors;
mod pgbouncer;
mod statement_errors;
mod tls;

// Tests of loads.
mod check_increments;
mod crash_recovery;
mod drop_older_tables;
mod dropped_or_emptied_tables;
mod empty_runs;
mod first_connection;
mod full_disk;
mod history;
mod hosts;
mod incremental_songs;
mod load;
mod load_order_independence;
mod local_runs;
mod monitoring;
mod parquet_codecs;
mod privileges;
mod psql_load;
mod recovery;
mod redshift_engine;
mod rejected_loads;
mod replay;
mod services;
mod signals;
mod sql_scripts;
mod status;
mod thirty_nights;
mod triggers;
mod upgrade;

// Tests of the jobs of the library.
mod jobs_from_rust;

// Tests of saved queries, operations queries and views.
mod operations;
mod query_command;
mod query_time_zone;
mod saved_queries;
mod views;
