//! What shall go wrong, and when.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use crate::asked::{Asked, Which};
use crate::reply::Reply;

/// A way to fail.
#[derive(Clone, Debug)]
pub enum Fault {
    /// An error in place of the answer, once the request is read. Nothing is carried out.
    Reply(Reply),
    /// The answer ends before its length is reached, and so does the connection. An upload is cut in
    /// the other direction: the server hangs up on a part of it.
    Cut,
    /// The answer stops in the middle and the connection stays open. Of an upload the server takes a
    /// part and no more, and does not answer.
    Stall,
    /// Nothing is read and nothing is said, and the connection stays open.
    Silence,
    /// The connection is closed on the head of the request.
    Drop,
    /// The request is carried out, but the connection is closed in place of the answer.
    Lose,
    /// All goes well, but only after a while.
    Late(Duration),
}

/// A fault that is due, and after which share of the bytes where it is about bytes.
#[derive(Debug)]
pub struct Due {
    pub fault: Fault,
    pub share: f64,
}

/// What shall go wrong, and when. Of several that fit a request, the one that was added first.
#[derive(Default)]
pub struct Faults {
    rules: Vec<Rule>,
    hooks: Vec<Hook>,
    chance: Option<Chance>,
    page: Option<i32>,
    kept: Option<String>,
}

struct Rule {
    which: Which,
    times: usize,
    fault: Fault,
    seen: Mutex<HashMap<(String, String), usize>>,
}

type Act = Box<dyn FnOnce(&Path) + Send>;

struct Hook {
    which: Which,
    /// How many requests are to come before the one that it waits for, and what to do then.
    waiting: Mutex<(usize, Option<Act>)>,
}

struct Chance {
    seed: u64,
    most: usize,
    odds: Vec<(f64, Fault)>,
    seen: Mutex<HashMap<String, (usize, usize)>>,
}

impl Faults {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every request of a choice fails.
    pub fn always(self, which: Which, fault: Fault) -> Self {
        self.first(usize::MAX, which, fault)
    }

    /// The first requests of a choice fail, counted for each key.
    pub fn first(mut self, times: usize, which: Which, fault: Fault) -> Self {
        self.rules.push(Rule {
            which,
            times,
            fault,
            seen: Mutex::default(),
        });
        self
    }

    /// Any request may fail, each way with its probability. Which ones do depends on the seed, on what
    /// is asked for and on how often it was asked before, not on the order among requests. The same
    /// thing fails `most` times at most: who asks once more gets it.
    pub fn by_chance(mut self, seed: u64, most: usize, odds: Vec<(f64, Fault)>) -> Self {
        self.chance = Some(Chance {
            seed,
            most,
            odds,
            seen: Mutex::default(),
        });
        self
    }

    /// Something to do when the `nth` request of a choice, from 1, has come and before it is carried
    /// out. It is given the folder of the buckets.
    pub fn at(
        mut self,
        nth: usize,
        which: Which,
        act: impl FnOnce(&Path) + Send + 'static,
    ) -> Self {
        self.hooks.push(Hook {
            which,
            waiting: Mutex::new((nth - 1, Some(Box::new(act)))),
        });
        self
    }

    /// Listings have at most so many keys a page, whatever is asked for.
    pub fn page(mut self, keys: i32) -> Self {
        self.page = Some(keys);
        self
    }

    /// Objects whose keys end so are not removed: nobody may.
    pub fn keep(mut self, key_end: &str) -> Self {
        self.kept = Some(key_end.to_owned());
        self
    }

    /// How the keys end that nobody may remove.
    pub fn kept(&self) -> Option<&str> {
        self.kept.as_deref()
    }

    /// The most keys in a page of a listing.
    pub fn keys_of_page(&self) -> i32 {
        self.page.unwrap_or(1000)
    }

    /// Does what hooks want done at this request, and says how it shall fail.
    pub fn due(&self, asked: &Asked, buckets: &Path) -> Option<Due> {
        for hook in &self.hooks {
            if let Some(act) = hook.due(asked) {
                act(buckets);
            }
        }
        let ruled = self.rules.iter().find_map(|rule| rule.due(asked));
        ruled.or_else(|| self.chance.as_ref()?.due(asked))
    }
}

impl Hook {
    fn due(&self, asked: &Asked) -> Option<Act> {
        if !self.which.has(asked) {
            return None;
        }
        let mut waiting = self.waiting.lock().unwrap();
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
    fn due(&self, asked: &Asked) -> Option<Due> {
        if !self.which.has(asked) {
            return None;
        }
        let mut seen = self.seen.lock().unwrap();
        let key = (asked.bucket.clone(), asked.key.clone());
        let times = seen.entry(key).or_default();
        *times += 1;
        (*times <= self.times).then(|| Due {
            fault: self.fault.clone(),
            share: 0.5,
        })
    }
}

impl Chance {
    fn due(&self, asked: &Asked) -> Option<Due> {
        let mut seen = self.seen.lock().unwrap();
        let (came, failed) = seen.entry(asked.identity.clone()).or_default();
        *came += 1;
        if *failed == self.most {
            return None;
        }
        let mut left = drawn(&(self.seed, &asked.identity, *came));
        for (odds, fault) in &self.odds {
            if left < *odds {
                *failed += 1;
                return Some(Due {
                    fault: fault.clone(),
                    share: left / odds,
                });
            }
            left -= odds;
        }
        None
    }
}

/// A number from 0 to below 1 that is the same for the same thing.
fn drawn(thing: &impl Hash) -> f64 {
    let mut hasher = DefaultHasher::new();
    thing.hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1u64 << 53) as f64
}
