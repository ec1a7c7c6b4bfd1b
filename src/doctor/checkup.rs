//! Runs checks in order.

use super::check::{CheckResult, CheckStatus, Outcome};
use super::check_id::CheckId;
use crate::error::{ErrorKind, Result};
use crate::interrupt;

/// The checks that were made so far.
pub(crate) struct Checkup<'a> {
    results: Vec<CheckResult>,
    on_result: &'a mut dyn FnMut(&CheckResult),
}

impl<'a> Checkup<'a> {
    /// Creates a checkup that calls `on_result` after each check.
    pub(crate) fn new(on_result: &'a mut dyn FnMut(&CheckResult)) -> Self {
        Self {
            results: Vec::new(),
            on_result,
        }
    }

    /// Returns the results, in order.
    pub(crate) fn into_results(self) -> Vec<CheckResult> {
        self.results
    }

    /// Makes a check, and returns whether what depends on it can be checked too. An error of the check is a failure.
    ///
    /// The check is skipped if one of those that it `needs` failed or was skipped because of a failure. A check that was
    /// not asked for is no obstacle.
    ///
    /// # Errors
    /// Returns an error if the checkup is to stop.
    pub(super) fn check(
        &mut self,
        id: CheckId,
        needs: &[CheckId],
        check: impl FnOnce() -> Result<Outcome>,
    ) -> Result<bool> {
        interrupt::ensure_running()?;
        let blocked_by = self.obstacle(needs);
        let outcome = match blocked_by {
            Some(failed) => Outcome::skipped(format!("it needs {}, which failed", failed.as_str())),
            None => match check() {
                Ok(outcome) => outcome,
                Err(error) if matches!(error.kind(), ErrorKind::Stopped(_)) => return Err(error),
                Err(error) => error.into(),
            },
        };
        // A stop makes connections fail in many ways. None of them is a finding.
        interrupt::ensure_running()?;
        let Outcome {
            status,
            message,
            remedy,
        } = outcome;
        tracing::debug!(check = id.as_str(), ?status, message, "checked");
        let result = CheckResult {
            id,
            status,
            message,
            remedy,
            blocked_by,
        };
        (self.on_result)(&result);
        self.results.push(result);
        Ok(status != CheckStatus::Failed && blocked_by.is_none())
    }

    /// Returns the failed check that prevents one with these needs.
    fn obstacle(&self, needs: &[CheckId]) -> Option<CheckId> {
        let mut needed = self
            .results
            .iter()
            .filter(|result| needs.contains(&result.id));
        needed.find_map(|result| match result.status {
            CheckStatus::Failed => Some(result.id),
            _ => result.blocked_by,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    /// Only the first of the checks that a fault touches is red.
    #[test]
    fn a_fault_is_named_once() {
        let mut seen = 0;
        let mut count = |_: &CheckResult| seen += 1;
        let mut checkup = Checkup::new(&mut count);
        let failed = || Err(Error::failed("no address").with_hint("check the name"));
        let is_ok = checkup.check(CheckId::WarehouseDns, &[], failed).unwrap();
        assert!(!is_ok);
        let is_ok = checkup
            .check(CheckId::WarehouseTcp, &[CheckId::WarehouseDns], || {
                unreachable!("it is skipped")
            })
            .unwrap();
        assert!(!is_ok);
        checkup
            .check(CheckId::Tables, &[CheckId::WarehouseTcp], || {
                unreachable!("it is skipped")
            })
            .unwrap();
        let skipped = || Ok(Outcome::skipped("there is none"));
        checkup.check(CheckId::BucketPolicy, &[], skipped).unwrap();
        let needs = [CheckId::BucketPolicy, CheckId::Clock];
        let is_ok = checkup.check(CheckId::RoleReads, &needs, || Ok(Outcome::ok("fine")));
        assert!(is_ok.unwrap());
        let results = checkup.into_results();
        assert_eq!(seen, 5);
        let found = results.iter().map(|r| (r.status, r.blocked_by));
        let dns = Some(CheckId::WarehouseDns);
        let expected = [
            (CheckStatus::Failed, None),
            (CheckStatus::Skipped, dns),
            (CheckStatus::Skipped, dns),
            (CheckStatus::Skipped, None),
            (CheckStatus::Ok, None),
        ];
        assert_eq!(found.collect::<Vec<_>>(), expected);
        assert_eq!(results[0].remedy.as_deref(), Some("check the name"));
        assert_eq!(results[2].message, "it needs warehouse-dns, which failed");
    }
}
