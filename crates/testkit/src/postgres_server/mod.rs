//! PostgreSQL servers for the tests: each is a cluster in a temporary directory and ends with the test
//! process.
//!
//! [`shared_server`] is one server for the whole process, in which each test creates a [`TestDatabase`] of its
//! own. [`PostgresServer::start`] starts a server with other settings, and [`PgBouncer::start`] a connection pooler in front
//! of a server.

mod bin_dir;
mod database;
mod pgbouncer;
mod server;
mod supervisor;

pub use database::TestDatabase;
pub use pgbouncer::PgBouncer;
pub use server::{
    PostgresServer, PostgresServerOptions, SUPERUSER, SUPERUSER_PASSWORD, shared_server,
};
