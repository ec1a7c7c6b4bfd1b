//! Keeps the notices that a server sends beside its results.

use std::sync::{Arc, Mutex, PoisonError};

/// The maximum number of notices that are kept. A COPY sends one or two.
const MAX_NOTICES: usize = 100;

/// The notices that a server has sent since they were taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Notices(Arc<Mutex<Vec<String>>>);

impl Notices {
    /// Lets the connections of a configuration add their notices.
    pub(super) fn collect_from(&self, config: &mut postgres::Config) {
        let received = Arc::clone(&self.0);
        config.notice_callback(move |notice| {
            let mut notices = received.lock().unwrap_or_else(PoisonError::into_inner);
            if notices.len() < MAX_NOTICES {
                notices.push(notice.message().to_owned());
            }
        });
    }

    /// Returns the notices, and forgets them.
    pub(super) fn take(&self) -> Vec<String> {
        let mut notices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *notices)
    }
}
