//! Renders a history of loads or runs as a table.

use super::numbers::format_count;
use super::result_set::format_table;
use crate::jobs::History;
use crate::report::{LoadEntry, RunLogEntry, RunLogState};
use crate::warehouse::query::{ResultColumn, ResultSet};

/// Renders a history. `place` is the warehouse or the output that it is of. The id of the run comes last, so that the rest of
/// a line is within 80 columns.
pub(crate) fn history_table(history: &History, place: &str) -> String {
    let table = match history {
        History::Loads(loads) if loads.is_empty() => return format!("no loads in {place}\n"),
        History::Runs(runs) if runs.is_empty() => return format!("no runs in {place}\n"),
        History::Loads(loads) => ResultSet {
            columns: columns(&["loaded"], &["by", "run"]),
            rows: loads.iter().map(load_row).collect(),
        },
        History::Runs(runs) => ResultSet {
            columns: columns(&["started", "state"], &["by", "run"]),
            rows: runs.iter().map(run_row).collect(),
        },
    };
    format_table(&table)
}

/// Returns texts, the numbers of every history, and texts.
fn columns(before: &[&str], after: &[&str]) -> Vec<ResultColumn> {
    let column = |name: &&str, is_number| ResultColumn {
        name: (*name).to_owned(),
        is_number,
    };
    let numbers = ["songs", "logs", "events", "rejected", "seconds"];
    let before = before.iter().map(|name| column(name, false));
    let numbers = numbers.iter().map(|name| column(name, true));
    let after = after.iter().map(|name| column(name, false));
    before.chain(numbers).chain(after).collect()
}

fn load_row(load: &LoadEntry) -> Vec<Option<String>> {
    vec![
        time(Some(&load.loaded_at)),
        count(Some(load.song_objects)),
        count(Some(load.log_objects)),
        count(Some(load.events)),
        count(load.rejected_records),
        seconds(load.load_seconds),
        text(load.loaded_by.as_deref()),
        text(Some(&load.run)),
    ]
}

fn run_row(run: &RunLogEntry) -> Vec<Option<String>> {
    let state = match run.state {
        RunLogState::Complete => "complete",
        RunLogState::Latest => "latest",
        RunLogState::Failed => "failed",
        RunLogState::Unfinished => "unfinished",
        RunLogState::Unreadable => "unreadable",
    };
    vec![
        time(run.started_at.as_deref()),
        text(Some(state)),
        count(run.song_objects),
        count(run.log_objects),
        count(run.events),
        count(run.rejected_records),
        seconds(run.seconds),
        text(run.executed_by.as_deref()),
        text(Some(run.run.as_str()).filter(|run| !run.is_empty())),
    ]
}

/// Returns the date and the time of a time in ISO 8601, to the second.
fn time(iso: Option<&str>) -> Option<String> {
    let iso = iso.map(|iso| iso.get(..19).unwrap_or(iso).replacen('T', " ", 1));
    text(iso.as_deref())
}

fn text(text: Option<&str>) -> Option<String> {
    Some(text.unwrap_or("-").to_owned())
}

fn count(count: Option<u64>) -> Option<String> {
    text(count.map(format_count).as_deref())
}

fn seconds(seconds: Option<f64>) -> Option<String> {
    text(seconds.map(|seconds| format!("{seconds:.1}")).as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load() -> LoadEntry {
        LoadEntry {
            run: "20261130T030000000Z-0123abcd".to_owned(),
            loaded_at: "2026-11-30T03:00:12Z".to_owned(),
            song_objects: 10,
            log_objects: 1,
            songs: 10,
            events: 12_345,
            rejected_records: Some(3),
            load_seconds: Some(12.34),
            loaded_by: Some("etl".to_owned()),
        }
    }

    #[test]
    fn loads_are_a_table() {
        let older = LoadEntry {
            loaded_at: "2026-11-29T03:00:12Z".to_owned(),
            rejected_records: None,
            load_seconds: None,
            loaded_by: None,
            ..load()
        };
        let loads = History::Loads(vec![load(), older]);
        assert_eq!(
            history_table(&loads, "x"),
            "\
loaded               songs  logs  events  rejected  seconds  by   run
2026-11-30 03:00:12     10     1  12,345         3     12.3  etl  20261130T030000000Z-0123abcd
2026-11-29 03:00:12     10     1  12,345         -        -  -    20261130T030000000Z-0123abcd
"
        );
    }

    #[test]
    fn runs_are_a_table() {
        let run = RunLogEntry {
            run: "20261130T030000000Z-0123abcd".to_owned(),
            started_at: Some("2026-11-30T03:00:00.123Z".to_owned()),
            state: RunLogState::Unfinished,
            song_objects: None,
            log_objects: None,
            events: None,
            rejected_records: None,
            newest_event: None,
            seconds: None,
            executed_by: None,
        };
        assert_eq!(
            history_table(&History::Runs(vec![run]), "x"),
            "\
started              state       songs  logs  events  rejected  seconds  by  run
2026-11-30 03:00:00  unfinished      -     -       -         -        -  -   20261130T030000000Z-0123abcd
"
        );
    }

    #[test]
    fn an_empty_history_says_of_what() {
        assert_eq!(
            history_table(&History::Loads(Vec::new()), "postgres://h/d"),
            "no loads in postgres://h/d\n"
        );
        assert_eq!(
            history_table(&History::Runs(Vec::new()), "out"),
            "no runs in out\n"
        );
    }
}
