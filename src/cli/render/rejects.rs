//! Renders the rejects of a run, grouped.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::numbers::{format_bytes, format_count, pluralize};
use super::result_set::sanitize_for_terminal;
use crate::output::reject_groups::{RejectExample, RejectGroupKey, RejectsReport};

/// The columns of a terminal that a line fills at most.
const WIDTH: usize = 80;

/// The columns of the name of an object that are always shown.
const MIN_NAME_WIDTH: usize = 16;

/// What is shown in place of text that is too long.
const ELLIPSIS: &str = "...";

/// The indentation of the example of a group.
const INDENT: &str = "      ";

/// Renders the groups as a table. Two lines with an example follow each group.
pub(crate) fn rejects_summary(report: &RejectsReport, by: &[RejectGroupKey]) -> String {
    let outcome = if report.is_failed {
        "failed run"
    } else {
        "run"
    };
    let run = format!(
        "{outcome} {} in {}",
        report.run,
        sanitize_for_terminal(&report.location)
    );
    let later_failure = match &report.later_failure {
        Some(failed) => format!(
            "\na later run failed: see sparkify rejects {}\n",
            sanitize_for_terminal(failed)
        ),
        None => String::new(),
    };
    if report.total.rejects == 0 {
        return format!("no rejects in {run}\n{later_failure}");
    }
    let mut lines = vec![format!("{run}\n")];
    let values: Vec<Vec<String>> = report
        .groups
        .iter()
        .map(|group| {
            let value = |key: &RejectGroupKey| match &group.by[key.name()] {
                Some(value) => sanitize_for_terminal(value),
                None => "-".to_owned(),
            };
            by.iter().map(value).collect()
        })
        .collect();
    let width = |column: usize| {
        let fields = values.iter().map(|row| row[column].width());
        fields.max().unwrap_or(0).max(by[column].name().len())
    };
    let widths: Vec<usize> = (0..by.len()).map(width).collect();
    let names = by.iter().map(|key| key.name());
    lines.push(group_line("rejects", "size", names, &widths));
    for (group, values) in report.groups.iter().zip(&values) {
        let (rejects, bytes) = (group.counts.rejects, group.counts.bytes);
        lines.push(group_line(
            &format_count(rejects),
            &format_bytes(bytes),
            values.iter().map(String::as_str),
            &widths,
        ));
        let text = sanitize_for_terminal(&group.example.text);
        lines.push(example_place(&group.example));
        if !text.is_empty() {
            lines.push(cut_to_width(&format!("{INDENT}{text}")));
        }
    }
    lines.push(total_line(report));
    lines.join("\n") + "\n" + &later_failure
}

/// Renders where and why the example was rejected. Of a long name of the object, the end is shown, which tells more
/// than the beginning.
fn example_place(example: &RejectExample) -> String {
    let object = sanitize_for_terminal(&example.object);
    let detail = sanitize_for_terminal(&format!(" line {}: {}", example.line, example.detail));
    let available = WIDTH.saturating_sub(INDENT.len() + detail.width());
    cut_to_width(&format!(
        "{INDENT}{}{detail}",
        last_columns(&object, available.max(MIN_NAME_WIDTH))
    ))
}

/// Returns the end of a name that is wider than this number of columns.
fn last_columns(name: &str, columns: usize) -> String {
    if name.width() <= columns {
        return name.to_owned();
    }
    let mut width = ELLIPSIS.len();
    let from_end = name.char_indices().rev().take_while(|(_, c)| {
        width += c.width().unwrap_or(0);
        width <= columns
    });
    let start = from_end.last().map_or(name.len(), |(start, _)| start);
    format!("{ELLIPSIS}{}", &name[start..])
}

fn group_line<'a>(
    rejects: &str,
    size: &str,
    values: impl Iterator<Item = &'a str>,
    widths: &[usize],
) -> String {
    let mut line = format!("{rejects:>12} {size:>12}   ");
    for (value, width) in values.zip(widths) {
        // The formatter would count every character as one column wide.
        line += value;
        line += &" ".repeat(width.saturating_sub(value.width()) + 2);
    }
    cut_to_width(line.trim_end())
}

fn total_line(report: &RejectsReport) -> String {
    let total = report.total;
    let rejects = usize::try_from(total.rejects).unwrap_or(usize::MAX);
    let mut line = format!(
        "\n{}, {}",
        pluralize(rejects, "reject"),
        format_bytes(total.bytes)
    );
    if total.not_replayable > 0 {
        line += &format!(
            "; {} cannot be replayed, because the text is cut or absent",
            format_count(total.not_replayable)
        );
    }
    line
}

/// Cuts a line that is wider than a terminal.
fn cut_to_width(line: &str) -> String {
    if line.width() <= WIDTH {
        return line.to_owned();
    }
    let mut cut = String::new();
    let mut width = 0;
    for c in line.chars() {
        width += c.width().unwrap_or(0);
        if width > WIDTH - ELLIPSIS.len() {
            break;
        }
        cut.push(c);
    }
    cut + ELLIPSIS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_at_the_width_of_a_terminal() {
        assert_eq!(cut_to_width(&"x".repeat(80)), "x".repeat(80));
        let cut = cut_to_width(&"東".repeat(41));
        assert_eq!(cut, "東".repeat(38) + "...");
        assert!(cut.width() <= WIDTH);
    }

    #[test]
    fn the_end_of_a_long_name_is_shown() {
        assert_eq!(last_columns("logs/a.json", 11), "logs/a.json");
        assert_eq!(last_columns("s3://b/logs/a.json", 11), "...s/a.json");
        assert_eq!(last_columns("東京.json", 8), "....json");
    }
}
