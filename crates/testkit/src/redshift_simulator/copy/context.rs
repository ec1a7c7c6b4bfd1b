//! What a COPY reads and writes while it runs.

use crate::redshift_simulator::fault_injector::PendingFaultActions;
use crate::redshift_simulator::load_error::LoadErrorRecord;
use crate::redshift_simulator::pg_session::PgSession;
use crate::redshift_simulator::settings::SimulatorSettings;

/// The surroundings of a COPY, and what it leaves.
pub struct CopyContext<'a> {
    pub backend: &'a mut PgSession,
    pub settings: &'a SimulatorSettings,
    pub actions: &'a PendingFaultActions,
    /// The oid of the table, or 0 before it is known.
    pub table_id: u32,
    /// The entries for the load error views.
    pub errors: Vec<LoadErrorRecord>,
    pub loaded_rows: u64,
    /// The files that were read, and their bytes.
    pub source_files: usize,
    pub source_bytes: usize,
}
