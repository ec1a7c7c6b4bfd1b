//! A simulator of Amazon Redshift: a server in this process that speaks the PostgreSQL protocol, enforces the
//! rules of Redshift, and executes the accepted statements on a real PostgreSQL server.
//!
//! A lexer splits messages into statements, so that they can be counted, rejected, translated, and made to
//! fail (see [`FaultInjector`]). With [`WarehouseKind::Postgres`] the same proxy runs in front of plain PostgreSQL
//! without the rules of Redshift.
//!
//! It simulates: which statements, types, table attributes, expressions and functions are rejected, lengths in bytes,
//! COPY of Parquet and of JSON with manifests, regions, IAM roles and the load error views, LOCK, TRUNCATE that commits,
//! keys that are not enforced, the system views that operators read, statistics after COPY and CREATE TABLE AS, both isolation levels, and the login.
//! `tests/redshift_simulator` states each rule.
//!
//! COPY from JSON is strict where the documentation is silent: a record that may fail does fail. Settings choose what
//! cannot be strict: [`NumberSpelling`] for numbers in text columns, and [`RepeatedKeys`]. The load error views may lag
//! ([`SimulatorSettings::lagging_error_views`]). After a syntax error it
//! resumes at the next line that begins with `{`.
//!
//! It does not simulate: speed, distribution and sort keys (they are parsed and dropped), the query planner, disk
//! space, WLM queues, TLS, the Data API, SUPER, comparisons that ignore trailing blanks, JSON records that are arrays,
//! MAXERROR that overshoots, and SQL that sparkify does not use. The rules follow the documentation of Redshift; they
//! were not compared with a real cluster.

mod alter_table;
mod client_session;
mod copy;
mod copy_history;
mod ddl;
mod dialect_rules;
mod expression_rules;
mod fault_injector;
mod lexer;
mod load_error;
mod login;
mod parquet_to_pg_copy;
mod pg_session;
mod protocol;
mod server;
mod settings;
mod state;
mod table_checks;
mod target_column;
mod warehouse_logins;

pub use copy::IAM_ROLE_ARN;
pub use fault_injector::{FaultInjector, FaultPoint, RecordedStatement, StatementMatcher};
pub use protocol::SqlError;
pub use server::RedshiftSimulator;
pub use settings::{
    AuthMethod, CLUSTER_REGION, IsolationLevel, NumberSpelling, PASSWORD, ReadableCodecs,
    RepeatedKeys, SimulatorSettings, USER, WarehouseKind,
};
pub use warehouse_logins::WarehouseLogins;
