//! What was seen of the statements, and what shall go wrong with them.

use std::sync::{Arc, Mutex};

use super::wire::Refusal;

/// A statement that a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which session, from 1.
    pub session: usize,
    /// Which statement of the session, from 1.
    pub number: usize,
    /// As it was sent.
    pub sql: String,
}

/// When something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before the statement is carried out.
    Before,
    /// In the middle of the rows of a COPY: after the first of its messages or files.
    During,
    /// When it is carried out, and not answered yet.
    After,
}

/// A choice of statements, counted over all sessions from when the fault is set.
#[derive(Clone, Debug)]
pub struct Which {
    part: String,
    skip: usize,
    times: usize,
}

impl Which {
    /// The first of all.
    pub fn any() -> Self {
        Self::with("")
    }

    /// The first that holds this, in whatever case.
    pub fn with(part: &str) -> Self {
        Self {
            part: part.to_lowercase(),
            skip: 0,
            times: 1,
        }
    }

    /// In place of the first the nth, from 1.
    pub fn nth(mut self, nth: usize) -> Self {
        self.skip = nth - 1;
        self
    }

    /// That and those after it, so many in all.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    fn has(&mut self, sql: &str) -> bool {
        if !sql.to_lowercase().contains(&self.part) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let left = self.times.checked_sub(1);
        self.times = left.unwrap_or(0);
        left.is_some()
    }
}

type Hook = Arc<dyn Fn(&Seen) + Send + Sync>;

/// What goes wrong.
#[derive(Clone)]
enum Act {
    Cut,
    Fail(Refusal),
    Call(Hook),
}

struct Rule {
    which: Which,
    when: When,
    act: Act,
}

#[derive(Default)]
struct Books {
    seen: Vec<Seen>,
    rules: Vec<Rule>,
    fired: usize,
}

/// The books of a server about statements. Those who share it hold clones.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Books>>);

impl Faults {
    /// The connection of the client is cut.
    pub fn cut(&self, when: When, which: Which) {
        self.rule(when, which, Act::Cut);
    }

    /// The statement is refused and not carried out.
    pub fn fail(&self, which: Which, code: &str, message: &str) {
        self.fail_with(which, Refusal::new(code, message));
    }

    /// The same with everything that an error can say.
    pub fn fail_with(&self, which: Which, refusal: Refusal) {
        self.rule(When::Before, which, Act::Fail(refusal));
    }

    /// Something is done while the session waits.
    pub fn call(&self, when: When, which: Which, hook: impl Fn(&Seen) + Send + Sync + 'static) {
        self.rule(when, which, Act::Call(Arc::new(hook)));
    }

    fn rule(&self, when: When, which: Which, act: Act) {
        let rule = Rule { which, when, act };
        self.0.lock().unwrap().rules.push(rule);
    }

    /// Nothing goes wrong any more, and nothing has been seen.
    pub fn clear(&self) {
        *self.0.lock().unwrap() = Books::default();
    }

    /// How many statements met a fault.
    pub fn fired(&self) -> usize {
        self.0.lock().unwrap().fired
    }

    /// All statements, in the order in which they came.
    pub fn seen(&self) -> Vec<Seen> {
        self.0.lock().unwrap().seen.clone()
    }

    /// The same without the sessions.
    pub fn statements(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.sql).collect()
    }

    /// Notes a statement. What is due with it.
    pub(super) fn saw(&self, seen: &Seen) -> Due {
        let mut books = self.0.lock().unwrap();
        books.seen.push(seen.clone());
        let mut acts = Vec::new();
        for rule in &mut books.rules {
            if rule.which.has(&seen.sql) {
                acts.push((rule.when, rule.act.clone()));
            }
        }
        books.fired += usize::from(!acts.is_empty());
        let seen = seen.clone();
        Due { seen, acts }
    }
}

/// What is due with a statement.
pub(super) struct Due {
    seen: Seen,
    acts: Vec<(When, Act)>,
}

/// The connection of the client shall be cut, or the statement fails.
pub(super) type Fault = Option<Refusal>;

impl Due {
    /// Whether anything is due then.
    pub fn has(&self, when: When) -> bool {
        self.acts.iter().any(|(other, _)| *other == when)
    }

    /// Carries out what is due. Of a fault: how to fail, or none to be cut off.
    pub fn act(&self, when: When) -> Result<(), Fault> {
        for (_, act) in self.acts.iter().filter(|(other, _)| *other == when) {
            match act {
                Act::Cut => return Err(None),
                Act::Fail(refusal) => return Err(Some(refusal.clone())),
                Act::Call(hook) => hook(&self.seen),
            }
        }
        Ok(())
    }
}

impl From<Fault> for super::wire::Trouble {
    fn from(fault: Fault) -> Self {
        fault.map_or(Self::Gone, Self::Refused)
    }
}
