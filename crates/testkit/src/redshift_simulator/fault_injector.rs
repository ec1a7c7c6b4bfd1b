//! Recorded statements, and faults to inject into them.

use std::sync::{Arc, Mutex};

use super::protocol::{SessionError, SessionResult, SqlError};

/// A statement that a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedStatement {
    /// The number of the session, from 1.
    pub session: usize,
    /// The number of the statement in its session, from 1.
    pub number: usize,
    /// The text of the statement as sent.
    pub sql: String,
}

/// The point in the execution of a statement at which a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultPoint {
    /// Before the statement is executed.
    Before,
    /// In the middle of the rows of a COPY: after the first of its messages or files.
    During,
    /// After the statement is executed and before it is answered.
    After,
}

/// Selects statements, counted over all sessions from the time at which the fault is set.
#[derive(Clone, Debug)]
pub struct StatementMatcher {
    text: String,
    skip: usize,
    times: usize,
}

impl StatementMatcher {
    /// Matches the first statement.
    pub fn any() -> Self {
        Self::containing("")
    }

    /// Matches the first statement that contains `text`, ignoring case.
    pub fn containing(text: &str) -> Self {
        Self {
            text: text.to_lowercase(),
            skip: 0,
            times: 1,
        }
    }

    /// Skips matches, so that the `nth` one (from 1) is the first.
    pub fn nth(mut self, nth: usize) -> Self {
        self.skip = nth - 1;
        self
    }

    /// Matches `times` consecutive matches instead of one.
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

type StatementHook = Arc<dyn Fn(&RecordedStatement) + Send + Sync>;

/// The action at a fault.
#[derive(Clone)]
enum FaultAction {
    Disconnect,
    Fail(SqlError),
    Call(StatementHook),
}

struct FaultRule {
    matcher: StatementMatcher,
    point: FaultPoint,
    action: FaultAction,
}

#[derive(Default)]
struct FaultInjectorState {
    recorded: Vec<RecordedStatement>,
    rules: Vec<FaultRule>,
    fault_count: usize,
}

/// The recorded statements and the faults of a server; clones share their state.
#[derive(Clone, Default)]
pub struct FaultInjector(Arc<Mutex<FaultInjectorState>>);

impl FaultInjector {
    /// Closes the connection of the client.
    pub fn disconnect(&self, point: FaultPoint, matcher: StatementMatcher) {
        self.add_rule(point, matcher, FaultAction::Disconnect);
    }

    /// Rejects the statement with an error and does not execute it.
    pub fn fail(&self, matcher: StatementMatcher, code: &str, message: &str) {
        self.fail_with(matcher, SqlError::new(code, message));
    }

    /// Rejects the statement with an error that has all its fields.
    pub fn fail_with(&self, matcher: StatementMatcher, error: SqlError) {
        self.add_rule(FaultPoint::Before, matcher, FaultAction::Fail(error));
    }

    /// Runs a hook while the session waits. The statement has been received: it is executed even if its
    /// client is killed meanwhile, unless the connection is also closed before it.
    pub fn on_statement(
        &self,
        point: FaultPoint,
        matcher: StatementMatcher,
        hook: impl Fn(&RecordedStatement) + Send + Sync + 'static,
    ) {
        self.add_rule(point, matcher, FaultAction::Call(Arc::new(hook)));
    }

    fn add_rule(&self, point: FaultPoint, matcher: StatementMatcher, action: FaultAction) {
        let rule = FaultRule {
            matcher,
            point,
            action,
        };
        self.0.lock().unwrap().rules.push(rule);
    }

    /// Removes all faults and recorded statements.
    pub fn clear(&self) {
        *self.0.lock().unwrap() = FaultInjectorState::default();
    }

    /// Returns the number of statements that met a fault.
    pub fn fault_count(&self) -> usize {
        self.0.lock().unwrap().fault_count
    }

    /// Returns all statements, in order of arrival.
    pub fn recorded(&self) -> Vec<RecordedStatement> {
        self.0.lock().unwrap().recorded.clone()
    }

    /// Returns the texts of all statements, in order of arrival.
    pub fn statements(&self) -> Vec<String> {
        self.recorded().into_iter().map(|seen| seen.sql).collect()
    }

    /// Records a statement, and returns the actions for it.
    pub(super) fn record(&self, statement: &RecordedStatement) -> PendingFaultActions {
        let mut state = self.0.lock().unwrap();
        state.recorded.push(statement.clone());
        let mut actions = Vec::new();
        for rule in &mut state.rules {
            if rule.matcher.take_match(&statement.sql) {
                actions.push((rule.point, rule.action.clone()));
            }
        }
        state.fault_count += usize::from(!actions.is_empty());
        let seen = statement.clone();
        PendingFaultActions {
            statement: seen,
            actions,
        }
    }
}

/// The actions for a statement.
pub(super) struct PendingFaultActions {
    statement: RecordedStatement,
    actions: Vec<(FaultPoint, FaultAction)>,
}

impl PendingFaultActions {
    /// Returns whether there is an action at this point.
    pub fn has_at(&self, point: FaultPoint) -> bool {
        self.actions.iter().any(|(other, _)| *other == point)
    }

    /// Runs the actions at this point. A fault ends the statement or the session.
    pub fn run_at(&self, point: FaultPoint) -> SessionResult<()> {
        for (_, action) in self.actions.iter().filter(|(other, _)| *other == point) {
            match action {
                FaultAction::Disconnect => return Err(SessionError::ConnectionClosed),
                FaultAction::Fail(error) => return Err(SessionError::Sql(error.clone())),
                FaultAction::Call(hook) => hook(&self.statement),
            }
        }
        Ok(())
    }
}
