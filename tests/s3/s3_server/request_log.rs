//! What a server was asked, to be read by tests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::s3_server::request::{Operation, RecordedRequest, RequestMatcher};

/// Counts of a server since it started.
#[derive(Default)]
pub struct RequestLog {
    requests: Mutex<Vec<RecordedRequest>>,
    fault_count: AtomicUsize,
    connection_count: AtomicUsize,
    active_gets: AtomicUsize,
    max_active_gets: AtomicUsize,
}

/// A GET from its head to the last byte of its answer.
pub struct InFlightGet(Arc<RequestLog>);

impl RequestLog {
    /// A client has connected.
    pub fn record_connection(&self) {
        self.connection_count.fetch_add(1, Ordering::Relaxed);
    }

    /// A fault was put in.
    pub fn record_fault(&self) {
        self.fault_count.fetch_add(1, Ordering::Relaxed);
    }

    /// A request has come; a GET is counted as long as what is returned lives.
    pub fn record_request(self: &Arc<Self>, request: &RecordedRequest) -> Option<InFlightGet> {
        self.requests.lock().unwrap().push(request.clone());
        (request.operation == Operation::Get).then(|| {
            let now = self.active_gets.fetch_add(1, Ordering::SeqCst) + 1;
            self.max_active_gets.fetch_max(now, Ordering::SeqCst);
            InFlightGet(self.clone())
        })
    }

    /// The requests of a choice that came, in order.
    pub fn requests(&self, matcher: &RequestMatcher) -> Vec<RecordedRequest> {
        let asked = self.requests.lock().unwrap();
        let asked = asked.iter().filter(|asked| matcher.matches(asked));
        asked.cloned().collect()
    }

    /// How many requests of a choice came.
    pub fn request_count(&self, matcher: &RequestMatcher) -> usize {
        let asked = self.requests.lock().unwrap();
        asked.iter().filter(|asked| matcher.matches(asked)).count()
    }

    /// How many faults were put in.
    pub fn fault_count(&self) -> usize {
        self.fault_count.load(Ordering::Relaxed)
    }

    /// How many connections were made.
    pub fn connection_count(&self) -> usize {
        self.connection_count.load(Ordering::Relaxed)
    }

    /// The most GETs that were under way at a time.
    pub fn max_concurrent_gets(&self) -> usize {
        self.max_active_gets.load(Ordering::SeqCst)
    }
}

impl Drop for InFlightGet {
    fn drop(&mut self) {
        self.0.active_gets.fetch_sub(1, Ordering::SeqCst);
    }
}
