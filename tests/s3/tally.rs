//! What a server was asked, to be read by tests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::asked::{Asked, Kind, Which};

/// Counts of a server since it started.
#[derive(Default)]
pub struct Tally {
    asked: Mutex<Vec<Asked>>,
    faults: AtomicUsize,
    connections: AtomicUsize,
    gets: AtomicUsize,
    most_gets: AtomicUsize,
}

/// A GET from its head to the last byte of its answer.
pub struct Underway(Arc<Tally>);

impl Tally {
    /// A client has connected.
    pub fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// A fault was put in.
    pub fn failed(&self) {
        self.faults.fetch_add(1, Ordering::Relaxed);
    }

    /// A request has come; a GET is counted as long as what is returned lives.
    pub fn came(self: &Arc<Self>, asked: &Asked) -> Option<Underway> {
        self.asked.lock().unwrap().push(asked.clone());
        (asked.kind == Kind::Get).then(|| {
            let now = self.gets.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_gets.fetch_max(now, Ordering::SeqCst);
            Underway(self.clone())
        })
    }

    /// The requests of a choice that came, in order.
    pub fn asked(&self, which: &Which) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        let asked = asked.iter().filter(|asked| which.has(asked));
        asked.cloned().collect()
    }

    /// How many requests of a choice came.
    pub fn requests(&self, which: &Which) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|asked| which.has(asked)).count()
    }

    /// How many faults were put in.
    pub fn faults(&self) -> usize {
        self.faults.load(Ordering::Relaxed)
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// The most GETs that were under way at a time.
    pub fn most_gets_at_once(&self) -> usize {
        self.most_gets.load(Ordering::SeqCst)
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.gets.fetch_sub(1, Ordering::SeqCst);
    }
}
