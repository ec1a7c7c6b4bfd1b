//! What was seen of the statements, and what shall go wrong with them.

use std::sync::{Arc, Mutex};

use super::protocol::SqlError;

/// A statement that a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedStatement {
    /// Which session, from 1.
    pub session: usize,
    /// Which statement of the session, from 1.
    pub number: usize,
    /// As it was sent.
    pub sql: String,
}

/// When something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultPoint {
    /// Before the statement is carried out.
    Before,
    /// In the middle of the rows of a COPY: after the first of its messages or files.
    During,
    /// When it is carried out, and not answered yet.
    After,
}

/// A choice of statements, counted over all sessions from when the fault is set.
#[derive(Clone, Debug)]
pub struct StatementMatcher {
    text: String,
    skip: usize,
    times: usize,
}

impl StatementMatcher {
    /// The first of all.
    pub fn any() -> Self {
        Self::containing("")
    }

    /// The first that holds this, in whatever case.
    pub fn containing(text: &str) -> Self {
        Self {
            text: text.to_lowercase(),
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

    fn take_match(&mut self, sql: &str) -> bool {
        if !sql.to_lowercase().contains(&self.text) {
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

type Hook = Arc<dyn Fn(&RecordedStatement) + Send + Sync>;

/// What goes wrong.
#[derive(Clone)]
enum FaultAction {
    Disconnect,
    Fail(SqlError),
    Call(Hook),
}

struct Rule {
    matcher: StatementMatcher,
    point: FaultPoint,
    action: FaultAction,
}

#[derive(Default)]
struct InjectorState {
    recorded: Vec<RecordedStatement>,
    rules: Vec<Rule>,
    fault_count: usize,
}

/// The books of a server about statements. Those who share it hold clones.
#[derive(Clone, Default)]
pub struct FaultInjector(Arc<Mutex<InjectorState>>);

impl FaultInjector {
    /// The connection of the client is cut.
    pub fn disconnect(&self, point: FaultPoint, matcher: StatementMatcher) {
        self.add_rule(point, matcher, FaultAction::Disconnect);
    }

    /// The statement is refused and not carried out.
    pub fn fail(&self, matcher: StatementMatcher, code: &str, message: &str) {
        self.fail_with(matcher, SqlError::new(code, message));
    }

    /// The same with everything that an error can say.
    pub fn fail_with(&self, matcher: StatementMatcher, refusal: SqlError) {
        self.add_rule(FaultPoint::Before, matcher, FaultAction::Fail(refusal));
    }

    /// Something is done while the session waits. The statement has come: it is carried out even if its
    /// client is killed meanwhile, unless the connection is also cut before it.
    pub fn on_statement(
        &self,
        point: FaultPoint,
        matcher: StatementMatcher,
        hook: impl Fn(&RecordedStatement) + Send + Sync + 'static,
    ) {
        self.add_rule(point, matcher, FaultAction::Call(Arc::new(hook)));
    }

    fn add_rule(&self, point: FaultPoint, matcher: StatementMatcher, action: FaultAction) {
        let rule = Rule {
            matcher,
            point,
            action,
        };
        self.0.lock().unwrap().rules.push(rule);
    }

    /// Nothing goes wrong any more, and nothing has been seen.
    pub fn clear(&self) {
        *self.0.lock().unwrap() = InjectorState::default();
    }

    /// How many statements met a fault.
    pub fn fault_count(&self) -> usize {
        self.0.lock().unwrap().fault_count
    }

    /// All statements, in the order in which they came.
    pub fn recorded(&self) -> Vec<RecordedStatement> {
        self.0.lock().unwrap().recorded.clone()
    }

    /// The same without the sessions.
    pub fn statements(&self) -> Vec<String> {
        self.recorded().into_iter().map(|seen| seen.sql).collect()
    }

    /// Notes a statement. What is due with it.
    pub(super) fn record(&self, statement: &RecordedStatement) -> PendingActions {
        let mut state = self.0.lock().unwrap();
        state.recorded.push(statement.clone());
        let mut acts = Vec::new();
        for rule in &mut state.rules {
            if rule.matcher.take_match(&statement.sql) {
                acts.push((rule.point, rule.action.clone()));
            }
        }
        state.fault_count += usize::from(!acts.is_empty());
        let seen = statement.clone();
        PendingActions {
            statement: seen,
            actions: acts,
        }
    }
}

/// What is due with a statement.
pub(super) struct PendingActions {
    statement: RecordedStatement,
    actions: Vec<(FaultPoint, FaultAction)>,
}

/// The connection of the client shall be cut, or the statement fails.
pub(super) type FaultOutcome = Option<SqlError>;

impl PendingActions {
    /// Whether anything is due then.
    pub fn has_at(&self, point: FaultPoint) -> bool {
        self.actions.iter().any(|(other, _)| *other == point)
    }

    /// Carries out what is due. Of a fault: how to fail, or none to be cut off.
    pub fn run_at(&self, point: FaultPoint) -> Result<(), FaultOutcome> {
        for (_, act) in self.actions.iter().filter(|(other, _)| *other == point) {
            match act {
                FaultAction::Disconnect => return Err(None),
                FaultAction::Fail(refusal) => return Err(Some(refusal.clone())),
                FaultAction::Call(hook) => hook(&self.statement),
            }
        }
        Ok(())
    }
}

impl From<FaultOutcome> for super::protocol::SessionError {
    fn from(fault: FaultOutcome) -> Self {
        fault.map_or(Self::ConnectionClosed, Self::Sql)
    }
}
