//! Faults that the server injects, and the requests that they apply to.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use crate::s3_server::customer_keys::EncryptedPrefix;
use crate::s3_server::error_response::S3ErrorResponse;
use crate::s3_server::policy::Policy;
use crate::s3_server::request::{RecordedRequest, RequestMatcher};

/// A kind of fault.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The server reads the request, does not execute it, and responds with an error.
    Error(S3ErrorResponse),
    /// The response and the connection end before the content length is reached. For an upload, the server
    /// closes the connection after part of the body.
    Truncate,
    /// The response stops in the middle and the connection stays open. For an upload, the server reads part
    /// of the body and does not respond.
    Stall,
    /// The server reads nothing and does not respond, and the connection stays open.
    Hang,
    /// The server closes the connection after the head of the request.
    Disconnect,
    /// The server executes the request, and closes the connection instead of responding.
    LoseResponse,
    /// The server responds correctly after a delay.
    Delay(Duration),
    /// The server responds correctly, except for the value of this header.
    ResponseHeader(&'static str, String),
    /// The server ignores the conditions of the request, as servers without conditional writes do.
    IgnoreConditions,
}

/// A fault to inject, and the fraction of the body after which it happens, where that applies.
#[derive(Debug)]
pub struct InjectedFault {
    pub fault: Fault,
    pub fraction: f64,
}

/// The faults to inject. If several match a request, the one that was added first applies.
#[derive(Default)]
pub struct FaultPlan {
    rules: Vec<FaultRule>,
    hooks: Vec<RequestHook>,
    random: Option<RandomFaults>,
    page_size: Option<i32>,
    undeletable_suffix: Option<String>,
    policy: Option<Policy>,
    ignores_encoding_type: bool,
    encrypted: Option<EncryptedPrefix>,
    bucket_policy: Option<String>,
}

struct FaultRule {
    matcher: RequestMatcher,
    max_per_key: usize,
    fault: Fault,
    counts: Mutex<HashMap<(String, String), usize>>,
}

type HookAction = Box<dyn FnOnce(&Path) + Send>;

struct RequestHook {
    matcher: RequestMatcher,
    /// The number of matching requests to come before the hook runs, and its action.
    pending: Mutex<(usize, Option<HookAction>)>,
}

struct RandomFaults {
    seed: u64,
    max_per_request: usize,
    probabilities: Vec<(f64, Fault)>,
    counts: Mutex<HashMap<String, (usize, usize)>>,
}

impl FaultPlan {
    /// Creates a plan without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Injects a fault into every matching request.
    pub fn always(self, matcher: RequestMatcher, fault: Fault) -> Self {
        self.first_n(usize::MAX, matcher, fault)
    }

    /// Injects a fault into the first matching requests, counted for each key.
    pub fn first_n(mut self, count: usize, matcher: RequestMatcher, fault: Fault) -> Self {
        self.rules.push(FaultRule {
            matcher,
            max_per_key: count,
            fault,
            counts: Mutex::default(),
        });
        self
    }

    /// Injects faults at random, each kind with its probability. Whether a request fails depends on the seed,
    /// its content and how often it was sent before, not on the order of requests. The same request fails at
    /// most `max_per_request` times, so enough retries always succeed.
    pub fn at_random(mut self, seed: u64, max_per_request: usize, odds: Vec<(f64, Fault)>) -> Self {
        self.random = Some(RandomFaults {
            seed,
            max_per_request,
            probabilities: odds,
            counts: Mutex::default(),
        });
        self
    }

    /// Runs an action when the `nth` matching request (from 1) has arrived and before it is executed. The
    /// action receives the directory of the buckets.
    pub fn on_nth(
        mut self,
        nth: usize,
        matcher: RequestMatcher,
        action: impl FnOnce(&Path) + Send + 'static,
    ) -> Self {
        self.hooks.push(RequestHook {
            matcher,
            pending: Mutex::new((nth - 1, Some(Box::new(action)))),
        });
        self
    }

    /// Limits the keys in a page of a listing, whatever limit the request has. With 0, only the first page is empty.
    pub fn with_page_size(mut self, keys: i32) -> Self {
        self.page_size = Some(keys);
        self
    }

    /// Denies the deletion of objects whose keys end in `suffix`.
    pub fn deny_delete(mut self, suffix: &str) -> Self {
        self.undeletable_suffix = Some(suffix.to_owned());
        self
    }

    /// Denies what the policy does not allow.
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Returns the policy, if there is one.
    pub fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    /// Gives all buckets this policy. Clients can read it, but nothing is denied because of it:
    /// [`with_policy`](Self::with_policy) does that.
    pub fn with_bucket_policy(mut self, document: &str) -> Self {
        self.bucket_policy = Some(document.to_owned());
        self
    }

    /// Returns the policy of the buckets, if they have one.
    pub fn bucket_policy(&self) -> Option<&str> {
        self.bucket_policy.as_deref()
    }

    /// Encrypts the objects of a bucket below a prefix with a customer-provided key.
    pub fn encrypt(mut self, prefix: &str, key: [u8; 32]) -> Self {
        self.encrypted = Some(EncryptedPrefix {
            prefix: prefix.to_owned(),
            key,
        });
        self
    }

    /// Returns the objects that are encrypted with a customer-provided key.
    pub fn encrypted(&self) -> Option<&EncryptedPrefix> {
        self.encrypted.as_ref()
    }

    /// Lists keys as they are, also if a request asks for encoded ones, as some servers do.
    pub fn ignore_encoding_type(mut self) -> Self {
        self.ignores_encoding_type = true;
        self
    }

    /// Returns whether the server ignores that a request asks for encoded keys.
    pub fn ignores_encoding_type(&self) -> bool {
        self.ignores_encoding_type
    }

    /// Returns the suffix of keys that cannot be deleted.
    pub fn undeletable_suffix(&self) -> Option<&str> {
        self.undeletable_suffix.as_deref()
    }

    /// Returns the maximum number of keys in a page of a listing.
    pub fn page_size(&self) -> i32 {
        self.page_size.unwrap_or(1000)
    }

    /// Runs the hooks for this request, and returns the fault to inject.
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

impl RequestHook {
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

impl FaultRule {
    fn next_fault(&self, request: &RecordedRequest) -> Option<InjectedFault> {
        if !self.matcher.matches(request) {
            return None;
        }
        let mut counts = self.counts.lock().unwrap();
        let key = (request.bucket.clone(), request.key.clone());
        let times = counts.entry(key).or_default();
        *times += 1;
        (*times <= self.max_per_key).then(|| InjectedFault {
            fault: self.fault.clone(),
            fraction: 0.5,
        })
    }
}

impl RandomFaults {
    fn next_fault(&self, request: &RecordedRequest) -> Option<InjectedFault> {
        let mut counts = self.counts.lock().unwrap();
        let (attempts, failed) = counts.entry(request.fingerprint.clone()).or_default();
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

/// Maps a value to a number in 0.0..1.0; equal values give equal numbers.
fn unit_hash(thing: &impl Hash) -> f64 {
    let mut hasher = DefaultHasher::new();
    thing.hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1u64 << 53) as f64
}
