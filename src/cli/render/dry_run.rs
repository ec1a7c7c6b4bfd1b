//! The output of `run --dry-run`: the input, its splits and the output location.

use std::fmt::Write;

use super::run::write_ignored;
use super::{bytes, count};
use crate::pipeline::{RunPlan, SplitPlan};

/// Splits that are shown of each input.
const SPLITS: usize = 20;

/// What a run would do, as tables.
pub fn plan(planned: &RunPlan) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_plan(&mut text, planned);
    text
}

fn write_plan(to: &mut String, planned: &RunPlan) -> std::fmt::Result {
    writeln!(
        to,
        "{:<12} {:>12} {:>12} {:>12} {:>12}",
        "input", "objects", "size", "ignored", "splits"
    )?;
    let inputs = [("songs", &planned.songs), ("logs", &planned.logs)];
    for (name, input) in inputs {
        writeln!(
            to,
            "{name:<12} {:>12} {:>12} {:>12} {:>12}",
            count(input.objects),
            bytes(input.bytes),
            count(input.ignored_objects),
            count(input.splits.len() as u64)
        )?;
    }
    for (name, input) in [("song", &planned.songs), ("log", &planned.logs)] {
        write_ignored(to, name, input.ignored_objects, &input.ignored_endings)?;
    }
    for (name, input) in inputs {
        writeln!(
            to,
            "\n{:<12} {:>12} {:>12}   from .. to",
            name, "objects", "size"
        )?;
        for (number, split) in input.splits.iter().enumerate().take(SPLITS) {
            let objects = count(split.objects as u64);
            let name = format!("split {number}");
            writeln!(
                to,
                "{name:<12} {objects:>12} {:>12}   {}",
                bytes(split.bytes),
                stretch(split)
            )?;
        }
        let more = input.splits.len().saturating_sub(SPLITS);
        if more > 0 {
            writeln!(to, "{more} more: --json shows all")?;
        }
    }
    writeln!(to, "\nwould write to {}", planned.out)
}

/// From where to where a split goes.
fn stretch(split: &SplitPlan) -> String {
    let at = |byte: u64| {
        if byte > 0 {
            format!(" byte {}", count(byte))
        } else {
            String::new()
        }
    };
    let SplitPlan {
        first,
        from,
        last,
        until,
        ..
    } = split;
    let (from, until) = (at(*from), until.map(at).unwrap_or_default());
    if first == last {
        let until = if until.is_empty() {
            " end".to_owned()
        } else {
            until
        };
        return format!("{first}{from} ..{until}");
    }
    format!("{first}{from} .. {last}{until}")
}
