//! What the sessions of a server share.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use postgres::Client;

use crate::postgres_server::TestDatabase;
use crate::redshift_simulator::fault_injector::FaultInjector;
use crate::redshift_simulator::load_error::CopyErrors;
use crate::redshift_simulator::settings::SimulatorSettings;
use crate::redshift_simulator::warehouse_logins::WarehouseLogins;

/// The state that the sessions of a server share.
pub(super) struct SimulatorState {
    pub(super) settings: SimulatorSettings,
    pub(super) faults: FaultInjector,
    pub(super) logins: WarehouseLogins,
    /// The database that executes the statements.
    pub(super) backend_database: TestDatabase,
    pub(super) session_count: AtomicUsize,
    pub(super) next_query_id: AtomicU64,
    pub(super) next_error_id: AtomicU64,
    pub(super) is_shut_down: AtomicBool,
    pub(super) clients: Mutex<Vec<TcpStream>>,
    /// A session that is never rolled back.
    pub(super) autocommit_client: Mutex<Client>,
}

impl SimulatorState {
    /// Records the errors of a load outside of its transaction, and returns their rows in the text format of COPY.
    pub(super) fn record_load_errors(&self, errors: &CopyErrors) -> String {
        let count = errors.records.len() as u64;
        let first_id = self.next_error_id.fetch_add(count, Ordering::Relaxed);
        let mut client = self.autocommit_client.lock().unwrap();
        let now = client.query_one("SELECT sysdate()::text", &[]).unwrap();
        let rows = errors.copy_text(first_id, now.get(0));
        let mut writer = client
            .copy_in("COPY redshift.load_errors FROM STDIN")
            .unwrap();
        writer.write_all(rows.as_bytes()).unwrap();
        writer.finish().unwrap();
        rows
    }
}
