//! What the sessions of a server share.

use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use postgres::Client;

use crate::postgres_server::TestDatabase;
use crate::redshift_simulator::fault_injector::FaultInjector;
use crate::redshift_simulator::load_error::LoadErrorRecord;
use crate::redshift_simulator::settings::SimulatorSettings;
use crate::redshift_simulator::target_column::TargetColumn;

/// The state that the sessions of a server share.
pub(super) struct SimulatorState {
    pub(super) settings: SimulatorSettings,
    pub(super) faults: FaultInjector,
    /// The database that executes the statements.
    pub(super) backend_database: TestDatabase,
    pub(super) session_count: AtomicUsize,
    pub(super) next_query_id: AtomicU64,
    pub(super) is_shut_down: AtomicBool,
    pub(super) clients: Mutex<Vec<TcpStream>>,
    /// A session that is never rolled back.
    pub(super) autocommit_client: Mutex<Client>,
}

impl SimulatorState {
    /// Records the failure of a load outside of its transaction.
    pub(super) fn record_load_error(&self, process: i32, query: u64, error: &LoadErrorRecord) {
        let mut client = self.autocommit_client.lock().unwrap();
        let column = error.column.as_ref();
        let name = column.map(|column| column.name.clone());
        let ty = column.map(|column| column.ty.clone());
        let length = column.map(TargetColumn::max_bytes_text);
        let sql = "INSERT INTO redshift.load_errors \
                   (pid, query, table_id, file, line, name, type, length, code, message, value) \
                   VALUES ($1, $2, to_regclass($3)::oid::bigint::int, $4, $5, $6, $7, $8, $9, $10, $11)";
        client
            .execute(
                sql,
                &[
                    &process,
                    &query.cast_signed(),
                    &error.table,
                    &error.file,
                    &(error.line as i64),
                    &name,
                    &ty,
                    &length,
                    &error.code.cast_signed(),
                    &error.message,
                    &error.value,
                ],
            )
            .unwrap();
    }
}
