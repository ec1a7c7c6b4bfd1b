//! The server: it listens, and ends its sessions when it is dropped.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use postgres::Client;

use crate::postgres_server::{TestDatabase, shared_server};
use crate::redshift_simulator::fault_injector::FaultInjector;
use crate::redshift_simulator::settings::{PASSWORD, SimulatorSettings, USER, WarehouseKind};
use crate::redshift_simulator::state::SimulatorState;
use crate::redshift_simulator::warehouse_logins::WarehouseLogins;

/// A server. Dropping it ends its sessions.
pub struct RedshiftSimulator {
    shared: Arc<SimulatorState>,
    frontend_database: TestDatabase,
}

impl RedshiftSimulator {
    /// Starts a server on a new database.
    pub fn start(settings: SimulatorSettings) -> Self {
        Self::start_on(shared_server().create_database(), settings)
    }

    /// Starts a server on a database, which must be empty for Redshift.
    pub fn start_on(backend_database: TestDatabase, settings: SimulatorSettings) -> Self {
        let mut client = backend_database.connect();
        if settings.kind == WarehouseKind::Redshift {
            for script in [
                include_str!("catalog.sql"),
                include_str!("operations_views.sql"),
            ] {
                client.batch_execute(script).unwrap();
            }
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let frontend_database = TestDatabase {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            name: backend_database.name.clone(),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
        };
        let shared = Arc::new(SimulatorState {
            settings,
            faults: FaultInjector::default(),
            logins: WarehouseLogins::default(),
            backend_database,
            session_count: AtomicUsize::new(0),
            next_query_id: AtomicU64::new(1001),
            next_error_id: AtomicU64::new(1),
            is_shut_down: AtomicBool::new(false),
            clients: Mutex::default(),
            autocommit_client: Mutex::new(client),
        });
        let serving = shared.clone();
        thread::spawn(move || serving.accept_connections(&listener));
        Self {
            shared,
            frontend_database,
        }
    }

    /// Returns the URL for `--warehouse`, without the password: set PGPASSWORD to it.
    pub fn url(&self) -> String {
        let url = self.frontend_database.url();
        match self.shared.settings.kind {
            WarehouseKind::Redshift => url.replacen("postgres", "redshift", 1),
            WarehouseKind::Postgres => url,
        }
    }

    /// Returns the address of the server and its login.
    pub fn database(&self) -> &TestDatabase {
        &self.frontend_database
    }

    /// Opens a session.
    pub fn connect(&self) -> Client {
        self.frontend_database.connect()
    }

    /// Returns the recorded statements and the faults.
    pub fn faults(&self) -> &FaultInjector {
        &self.shared.faults
    }

    /// Returns who can log in.
    pub fn logins(&self) -> &WarehouseLogins {
        &self.shared.logins
    }

    /// Opens a session of the PostgreSQL backend, to inspect the tables.
    pub fn backend_client(&self) -> Client {
        self.shared.backend_database.connect()
    }
}

impl Drop for RedshiftSimulator {
    fn drop(&mut self) {
        self.shared.is_shut_down.store(true, Ordering::Relaxed);
        // The thread that accepts connections must be woken.
        let _ = TcpStream::connect((
            self.frontend_database.host.as_str(),
            self.frontend_database.port,
        ));
        for client in self.shared.clients.lock().unwrap().drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}
