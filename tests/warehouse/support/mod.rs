//! What the warehouse tests share: servers, the warehouse under test, and readers of its tables.

pub mod config_sources;
pub mod postgres_server;
pub mod scripted_server;
pub mod table_rows;
pub mod test_warehouse;
