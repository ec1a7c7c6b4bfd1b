//! Warns about input that changed since it was loaded, and about logs that are not there.

use chrono::NaiveDate;

use super::listed_input::ListingOverview;
use crate::input::{AbsentDays, RecordKind};
use crate::observer::Observer;
use crate::output::run_report::InputReport;

/// The number of objects or of periods that a warning names.
const MAX_NAMED: usize = 5;

/// Warns about changed songs and logs, and about absent logs.
pub(super) fn warn_about_input(listed: [&ListingOverview; 2], observer: &dyn Observer) {
    for overview in listed {
        if let Some(warning) = changed_objects_warning(overview) {
            observer.warn(&warning);
        }
        for absent in &overview.selection.absent_days {
            observer.warn(&absent_days_warning(absent));
        }
    }
}

/// Warns about objects without records, which are valid but seldom intended. If there are no objects, all of them are
/// loaded already, and there is nothing to warn about. `input` describes the locations.
pub(crate) fn warn_if_no_records(
    kind: RecordKind,
    input: &str,
    report: &InputReport,
    observer: &dyn Observer,
) {
    let objects = report.objects;
    if report.records == 0 && objects > 0 {
        let name = kind.singular();
        let s = if objects == 1 { "" } else { "s" };
        observer.warn(&format!(
            "no records in the {objects} {name} object{s} of {input}"
        ));
    }
}

fn changed_objects_warning(overview: &ListingOverview) -> Option<String> {
    let changed = &overview.selection.changed;
    let (count, kind) = (changed.len(), overview.kind.singular());
    let (objects, they_were, their, them) = match count {
        0 => return None,
        1 => ("object", "it was", "its", "it"),
        _ => ("objects", "they were", "their", "them"),
    };
    Some(format!(
        "{count} {kind} {objects} changed after {they_were} loaded: {}; {their} records are merged again, and what vanished \
         from {them} stays in the warehouse until --full-refresh",
        first_names(changed)
    ))
}

fn absent_days_warning(absent: &AbsentDays) -> String {
    let AbsentDays { example, days } = absent;
    let (count, s) = (days.len(), if days.len() == 1 { "" } else { "s" });
    format!(
        "no log of {count} day{s}: {}; other days have logs such as {example}; a log that arrives late is loaded by the next run",
        first_names(&periods(days))
    )
}

/// Joins the first names, and says how many more there are.
pub(crate) fn first_names(names: &[String]) -> String {
    let first = names.iter().take(MAX_NAMED).map(String::as_str);
    let mut text = first.collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(MAX_NAMED);
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}

/// Describes sorted days as periods: `2018-11-03`, `2018-11-05 to 2018-11-07`.
fn periods(days: &[NaiveDate]) -> Vec<String> {
    let follows = |a: &NaiveDate, b: &NaiveDate| a.succ_opt() == Some(*b);
    days.chunk_by(follows)
        .filter_map(|period| match period {
            [] => None,
            [day] => Some(day.to_string()),
            [first, .., last] => Some(format!("{first} to {last}")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_days_are_named_as_periods() {
        let days = [
            "2018-11-03",
            "2018-11-05",
            "2018-11-06",
            "2018-11-30",
            "2018-12-01",
        ];
        let absent = AbsentDays {
            example: "logs/2018-11-01.json".to_owned(),
            days: days.iter().map(|day| day.parse().unwrap()).collect(),
        };
        let warning = absent_days_warning(&absent);
        let expected = "no log of 5 days: 2018-11-03, 2018-11-05 to 2018-11-06, 2018-11-30 to 2018-12-01; other days have \
                        logs such as logs/2018-11-01.json";
        assert!(warning.starts_with(expected), "{warning}");
    }

    #[test]
    fn long_lists_end_with_a_number() {
        let names: Vec<String> = (1..=7).map(|number| format!("{number}.json")).collect();
        assert_eq!(
            first_names(&names),
            "1.json, 2.json, 3.json, 4.json, 5.json and 2 more"
        );
        assert_eq!(first_names(&names[..2]), "1.json, 2.json");
    }
}
