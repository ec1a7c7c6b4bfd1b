//! The log of requests that a server received, for tests to read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::s3_server::request::{RecordedRequest, RequestMatcher, S3Operation};

/// The requests, connections and faults of a server since it started.
#[derive(Default)]
pub struct RequestLog {
    requests: Mutex<Vec<RecordedRequest>>,
    fault_count: AtomicUsize,
    connection_count: AtomicUsize,
    active_gets: AtomicUsize,
    max_active_gets: AtomicUsize,
}

/// A GET in progress, from the request head to the last byte of the response.
pub struct InFlightGet(Arc<RequestLog>);

impl RequestLog {
    /// Records a new connection.
    pub fn record_connection(&self) {
        self.connection_count.fetch_add(1, Ordering::Relaxed);
    }

    /// Records an injected fault.
    pub fn record_fault(&self) {
        self.fault_count.fetch_add(1, Ordering::Relaxed);
    }

    /// Records a request. A GET counts as in progress until the returned value is dropped.
    pub fn record_request(self: &Arc<Self>, request: &RecordedRequest) -> Option<InFlightGet> {
        self.requests.lock().unwrap().push(request.clone());
        (request.operation == S3Operation::Get).then(|| {
            let now = self.active_gets.fetch_add(1, Ordering::SeqCst) + 1;
            self.max_active_gets.fetch_max(now, Ordering::SeqCst);
            InFlightGet(self.clone())
        })
    }

    /// Returns the matching requests, in order of arrival.
    pub fn requests(&self, matcher: &RequestMatcher) -> Vec<RecordedRequest> {
        let requests = self.requests.lock().unwrap();
        let requests = requests.iter().filter(|request| matcher.matches(request));
        requests.cloned().collect()
    }

    /// Returns the number of matching requests.
    pub fn request_count(&self, matcher: &RequestMatcher) -> usize {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .filter(|request| matcher.matches(request))
            .count()
    }

    /// Returns the number of injected faults.
    pub fn fault_count(&self) -> usize {
        self.fault_count.load(Ordering::Relaxed)
    }

    /// Returns the number of connections.
    pub fn connection_count(&self) -> usize {
        self.connection_count.load(Ordering::Relaxed)
    }

    /// Returns the maximum number of GETs that were in progress at the same time.
    pub fn max_concurrent_gets(&self) -> usize {
        self.max_active_gets.load(Ordering::SeqCst)
    }
}

impl Drop for InFlightGet {
    fn drop(&mut self) {
        self.0.active_gets.fetch_sub(1, Ordering::SeqCst);
    }
}
