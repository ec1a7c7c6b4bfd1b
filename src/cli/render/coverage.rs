//! Renders how many plays a query is about.

use super::numbers::format_count;
use crate::report::Coverage;

/// Returns one line with the plays that a query considers, and those in the range. `left_out` names the others.
pub(crate) fn coverage_line(coverage: Coverage, left_out: Option<&str>) -> String {
    let Coverage {
        considered,
        in_range,
    } = coverage;
    let counts = format!(
        "{} of {} plays in the range are considered",
        format_count(considered),
        format_count(in_range)
    );
    let share =
        percentage(considered, in_range).map_or_else(String::new, |share| format!(" ({share})"));
    let left_out = left_out.map_or_else(String::new, |plays| format!("; {plays} are left out"));
    counts + &share + &left_out
}

/// Returns a percentage that is 100% only for all, and 0% only for none; `None` if there is nothing.
fn percentage(part: u64, whole: u64) -> Option<String> {
    let hundredths = (u128::from(part) * 10_000).checked_div(u128::from(whole))?;
    Some(match hundredths {
        0 if part > 0 => "less than 0.01%".to_owned(),
        0 => "0%".to_owned(),
        10_000 => "100%".to_owned(),
        _ => format!("{}.{:02}%", hundredths / 100, hundredths % 100),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_not_rounded_to_none_or_all() {
        for (part, whole, text) in [
            (1, 6820, "0.01%"),
            (1, 20_000, "less than 0.01%"),
            (0, 7, "0%"),
            (7, 7, "100%"),
            (4, 7, "57.14%"),
            (999_999, 1_000_000, "99.99%"),
        ] {
            assert_eq!(percentage(part, whole).as_deref(), Some(text));
        }
        assert_eq!(percentage(0, 0), None);
    }

    #[test]
    fn line_names_what_is_left_out() {
        let line = |considered, in_range, left_out| {
            let coverage = Coverage {
                considered,
                in_range,
            };
            coverage_line(coverage, left_out)
        };
        assert_eq!(
            line(1, 6820, Some("plays without a known song")),
            "1 of 6,820 plays in the range are considered (0.01%); plays without a known song are left out"
        );
        assert_eq!(line(0, 0, None), "0 of 0 plays in the range are considered");
    }
}
