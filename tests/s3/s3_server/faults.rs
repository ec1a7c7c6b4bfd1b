//! What shall go wrong, and when.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use crate::s3_server::error_response::ErrorResponse;
use crate::s3_server::request::{RecordedRequest, RequestMatcher};

/// A way to fail.
#[derive(Clone, Debug)]
pub enum Fault {
    /// An error in place of the answer, once the request is read. Nothing is carried out.
    Error(ErrorResponse),
    /// The answer ends before its length is reached, and so does the connection. An upload is cut in
    /// the other direction: the server hangs up on a part of it.
    Truncate,
    /// The answer stops in the middle and the connection stays open. Of an upload the server takes a
    /// part and no more, and does not answer.
    Stall,
    /// Nothing is read and nothing is said, and the connection stays open.
    Hang,
    /// The connection is closed on the head of the request.
    Disconnect,
    /// The request is carried out, but the connection is closed in place of the answer.
    LoseResponse,
    /// All goes well, but only after a while.
    Delay(Duration),
}

/// A fault that is due, and after which share of the bytes where it is about bytes.
#[derive(Debug)]
pub struct InjectedFault {
    pub fault: Fault,
    pub fraction: f64,
}

/// What shall go wrong, and when. Of several that fit a request, the one that was added first.
#[derive(Default)]
pub struct FaultPlan {
    rules: Vec<Rule>,
    hooks: Vec<Hook>,
    random: Option<RandomFaults>,
    page_size: Option<i32>,
    undeletable_suffix: Option<String>,
}

struct Rule {
    matcher: RequestMatcher,
    max_per_key: usize,
    fault: Fault,
    counts: Mutex<HashMap<(String, String), usize>>,
}

type HookAction = Box<dyn FnOnce(&Path) + Send>;

struct Hook {
    matcher: RequestMatcher,
    /// How many requests are to come before the one that it waits for, and what to do then.
    pending: Mutex<(usize, Option<HookAction>)>,
}

struct RandomFaults {
    seed: u64,
    max_per_request: usize,
    probabilities: Vec<(f64, Fault)>,
    counts: Mutex<HashMap<String, (usize, usize)>>,
}

impl FaultPlan {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every request of a choice fails.
    pub fn always(self, matcher: RequestMatcher, fault: Fault) -> Self {
        self.first_n(usize::MAX, matcher, fault)
    }

    /// The first requests of a choice fail, counted for each key.
    pub fn first_n(mut self, count: usize, matcher: RequestMatcher, fault: Fault) -> Self {
        self.rules.push(Rule {
            matcher,
            max_per_key: count,
            fault,
            counts: Mutex::default(),
        });
        self
    }

    /// Any request may fail, each way with its probability. Which ones do depends on the seed, on what
    /// is asked for and on how often it was asked before, not on the order among requests. The same
    /// thing fails `most` times at most: who asks once more gets it.
    pub fn at_random(mut self, seed: u64, max_per_request: usize, odds: Vec<(f64, Fault)>) -> Self {
        self.random = Some(RandomFaults {
            seed,
            max_per_request,
            probabilities: odds,
            counts: Mutex::default(),
        });
        self
    }

    /// Something to do when the `nth` request of a choice, from 1, has come and before it is carried
    /// out. It is given the folder of the buckets.
    pub fn on_nth(
        mut self,
        nth: usize,
        matcher: RequestMatcher,
        action: impl FnOnce(&Path) + Send + 'static,
    ) -> Self {
        self.hooks.push(Hook {
            matcher,
            pending: Mutex::new((nth - 1, Some(Box::new(action)))),
        });
        self
    }

    /// Listings have at most so many keys a page, whatever is asked for.
    pub fn with_page_size(mut self, keys: i32) -> Self {
        self.page_size = Some(keys);
        self
    }

    /// Objects whose keys end so are not removed: nobody may.
    pub fn deny_delete(mut self, suffix: &str) -> Self {
        self.undeletable_suffix = Some(suffix.to_owned());
        self
    }

    /// How the keys end that nobody may remove.
    pub fn undeletable_suffix(&self) -> Option<&str> {
        self.undeletable_suffix.as_deref()
    }

    /// The most keys in a page of a listing.
    pub fn page_size(&self) -> i32 {
        self.page_size.unwrap_or(1000)
    }

    /// Does what hooks want done at this request, and says how it shall fail.
    pub fn trigger(&self, request: &RecordedRequest, buckets: &Path) -> Option<InjectedFault> {
        for hook in &self.hooks {
            if let Some(act) = hook.take_action(request) {
                act(buckets);
            }
        }
        let scheduled = self.rules.iter().find_map(|rule| rule.next_fault(request));
        scheduled.or_else(|| self.random.as_ref()?.next_fault(request))
    }
}

impl Hook {
    fn take_action(&self, request: &RecordedRequest) -> Option<HookAction> {
        if !self.matcher.matches(request) {
            return None;
        }
        let mut waiting = self.pending.lock().unwrap();
        match waiting.0.checked_sub(1) {
            Some(less) => {
                waiting.0 = less;
                None
            }
            None => waiting.1.take(),
        }
    }
}

impl Rule {
    fn next_fault(&self, request: &RecordedRequest) -> Option<InjectedFault> {
        if !self.matcher.matches(request) {
            return None;
        }
        let mut seen = self.counts.lock().unwrap();
        let key = (request.bucket.clone(), request.key.clone());
        let times = seen.entry(key).or_default();
        *times += 1;
        (*times <= self.max_per_key).then(|| InjectedFault {
            fault: self.fault.clone(),
            fraction: 0.5,
        })
    }
}

impl RandomFaults {
    fn next_fault(&self, request: &RecordedRequest) -> Option<InjectedFault> {
        let mut seen = self.counts.lock().unwrap();
        let (attempts, failed) = seen.entry(request.fingerprint.clone()).or_default();
        *attempts += 1;
        if *failed == self.max_per_request {
            return None;
        }
        let mut remaining = unit_hash(&(self.seed, &request.fingerprint, *attempts));
        for (probability, fault) in &self.probabilities {
            if remaining < *probability {
                *failed += 1;
                return Some(InjectedFault {
                    fault: fault.clone(),
                    fraction: remaining / probability,
                });
            }
            remaining -= probability;
        }
        None
    }
}

/// A number from 0 to below 1 that is the same for the same thing.
fn unit_hash(thing: &impl Hash) -> f64 {
    let mut hasher = DefaultHasher::new();
    thing.hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1u64 << 53) as f64
}
