//! Renders the result of `run --dry-run`: the input, its splits and the output location.

use std::fmt::Write;

use super::numbers::{format_bytes, format_count};
use super::run::write_ignored;
use crate::pipeline::{RunPlan, SplitPlan};

/// The maximum number of splits that are shown for each input.
const MAX_SPLITS_SHOWN: usize = 20;

/// Renders the plan of a run as tables.
pub(crate) fn dry_run_summary(run_plan: &RunPlan) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_dry_run_summary(&mut text, run_plan);
    text
}

fn write_dry_run_summary(to: &mut String, run_plan: &RunPlan) -> std::fmt::Result {
    writeln!(
        to,
        "{:<12} {:>12} {:>12} {:>12} {:>12}",
        "input", "objects", "size", "ignored", "splits"
    )?;
    let inputs = [("songs", &run_plan.songs), ("logs", &run_plan.logs)];
    for (name, input) in inputs {
        writeln!(
            to,
            "{name:<12} {:>12} {:>12} {:>12} {:>12}",
            format_count(input.objects),
            format_bytes(input.bytes),
            format_count(input.ignored_objects),
            format_count(input.splits.len() as u64)
        )?;
    }
    for (name, input) in [("song", &run_plan.songs), ("log", &run_plan.logs)] {
        write_ignored(to, name, input.ignored_objects, &input.ignored_extensions)?;
    }
    // There are no splits of objects that Redshift reads.
    let split_inputs = inputs
        .into_iter()
        .filter(|(_, input)| !input.splits.is_empty());
    for (name, input) in split_inputs {
        writeln!(
            to,
            "\n{:<12} {:>12} {:>12}   from .. to",
            name, "objects", "size"
        )?;
        for (number, split) in input.splits.iter().enumerate().take(MAX_SPLITS_SHOWN) {
            let objects = format_count(split.objects as u64);
            let name = format!("split {number}");
            writeln!(
                to,
                "{name:<12} {objects:>12} {:>12}   {}",
                format_bytes(split.bytes),
                format_range(split)
            )?;
        }
        let hidden = input.splits.len().saturating_sub(MAX_SPLITS_SHOWN);
        if hidden > 0 {
            writeln!(to, "{hidden} more: --json shows all")?;
        }
    }
    writeln!(to, "\nwould write to {}", run_plan.out)
}

/// Renders the first and last objects of a split, with byte offsets if it begins or ends within an object.
fn format_range(split: &SplitPlan) -> String {
    let at = |byte: u64| {
        if byte > 0 {
            format!(" byte {}", format_count(byte))
        } else {
            String::new()
        }
    };
    let SplitPlan {
        first_object,
        start,
        last_object,
        end,
        ..
    } = split;
    let (start, end) = (at(*start), end.map(at).unwrap_or_default());
    if first_object == last_object {
        let end = if end.is_empty() {
            " end".to_owned()
        } else {
            end
        };
        return format!("{first_object}{start} ..{end}");
    }
    format!("{first_object}{start} .. {last_object}{end}")
}
