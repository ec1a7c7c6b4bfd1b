//! Cancels the statement of a session when the process is to stop.

use postgres::{CancelToken, NoTls};

use super::tls_connector::TlsConnector;
use crate::interrupt::{self, CancelGuard};

/// Asks the server of a session to cancel its statement.
#[derive(Clone)]
pub(super) struct StatementCanceler {
    token: CancelToken,
    /// Encrypts the request if the session is encrypted.
    tls: Option<TlsConnector>,
}

impl StatementCanceler {
    /// Creates a canceler for a session that was opened with this encryption.
    pub(super) fn new(token: CancelToken, tls: Option<TlsConnector>) -> Self {
        Self { token, tls }
    }

    /// Cancels the statement if a stop begins before the guard is dropped.
    pub(super) fn cancel_on_stop(&self) -> CancelGuard {
        let canceler = self.clone();
        interrupt::cancel_on_stop(move || canceler.cancel())
    }

    fn cancel(&self) {
        // If the request does not arrive, the process ends all the same, and the server rolls back when it notices that.
        let _ = match &self.tls {
            Some(tls) => self.token.cancel_query(tls.clone()),
            None => self.token.cancel_query(NoTls),
        };
    }
}
