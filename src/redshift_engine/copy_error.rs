//! Explains a COPY that failed because of records that it could not read.

use super::plan::max_error;
use super::rejects::KindRejects;
use crate::config::MaxRejects;
use crate::error::Error;
use crate::input::RecordKind;

/// Returns the error of a COPY that failed with `errors` records that it could not read. `rejects` are those of all COPYs of
/// the kind, and `failure` is the error of the warehouse. How many records there are in all is not known, because the COPY
/// has not read them.
pub(super) fn copy_error(
    kind: RecordKind,
    max_rejects: MaxRejects,
    errors: usize,
    rejects: &KindRejects,
    failure: Error,
) -> Error {
    let name = kind.singular();
    if errors < max_error(max_rejects) as usize {
        // Something else made it fail, such as a record that is too large.
        return Error::too_many_rejects(format!("COPY of the {} failed", kind.plural()))
            .with_source(failure)
            .with_hint(
                "--max-rejects does not apply to this; correct the objects, or use --engine in-process",
            );
    }
    let count = rejects.count;
    let stopped = format!("COPY stopped after {count} {name} records that it could not read");
    let message = match max_rejects {
        MaxRejects::Count(limit) => format!("rejects exceed --max-rejects {limit}: {stopped}"),
        MaxRejects::Percent(_) => stopped,
    };
    let error = Error::too_many_rejects(message).with_hint(match max_rejects {
        MaxRejects::Count(_) => {
            "fix the input, or raise --max-rejects to go on without the rejects"
        }
        MaxRejects::Percent(_) => {
            "Redshift tolerates no more; fix the input, or use --engine in-process"
        }
    });
    match rejects.first.as_deref() {
        Some(first) => error.with_reason(format!("the first is {first}")),
        None => error,
    }
}
