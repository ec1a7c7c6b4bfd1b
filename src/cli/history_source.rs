//! Decides whether a command examines the loads of a warehouse or the runs at an output.

use super::args::s3::S3Args;
use super::args::warehouse::WarehouseArgs;
use super::usage_error::no_effect;
use crate::error::Result;
use crate::jobs::HistorySource;
use crate::observer::Observer;
use crate::storage::Location;

/// What a command does with the runs or the loads, for its messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct HistoryWords {
    /// The verb in the third person, such as `lists`.
    pub does: &'static str,
    /// The verb, such as `list`.
    pub to_do: &'static str,
    /// What the command prints, such as `history`.
    pub result: &'static str,
}

/// Returns the output, if `--from` names one, or else the warehouse.
///
/// # Errors
/// Returns an error if no warehouse is named either, or if an argument has no effect.
pub(super) fn history_source(
    from: Option<Location>,
    warehouse: &WarehouseArgs,
    s3: &S3Args,
    words: HistoryWords,
    observer: &dyn Observer,
) -> Result<HistorySource> {
    let HistoryWords {
        does,
        to_do,
        result,
    } = words;
    let Some(out) = from else {
        let resolved = warehouse.resolve(None, &s3.to_aws_options(), observer)?;
        let reason = format!("the {result} is not in S3");
        s3.ensure_used_with(resolved.warehouse.as_ref(), [], &reason)?;
        return Ok(HistorySource::Warehouse(resolved.require()?.connection));
    };
    if let Some(flag) = warehouse.first_flag() {
        return Err(
            no_effect(flag, format!("--from {does} the runs at an output")).with_hint(format!(
                "leave out --from to {to_do} the loads of the warehouse"
            )),
        );
    }
    s3.ensure_used([&out], "--from is not in S3")?;
    Ok(HistorySource::Output {
        out,
        s3: s3.to_options(),
    })
}
