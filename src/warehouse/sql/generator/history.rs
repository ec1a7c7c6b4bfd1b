//! Generates the queries for the loads in the load history.

use crate::input::RecordKind;
use crate::model::{EngineValue, Model, TableSchema};

/// Returns the query for the newest load: run and time.
pub(crate) fn newest_load_query(model: &Model) -> String {
    newest_first(model, &[], 1)
}

/// Returns the query for the time of the newest event, in UTC, as in ISO 8601; null if there is none. A calendar has a row
/// for each time, under a key that the query need not search.
pub(crate) fn newest_event_query(calendar: &TableSchema) -> String {
    let times: Vec<_> = calendar.key().iter().map(|column| column.name).collect();
    format!(
        "SELECT TO_CHAR(MAX({}), 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS newest_event\nFROM {}",
        times.join(", "),
        calendar.name
    )
}

/// Returns the query for the newest loads, the newest first: run, time, number of song objects and of log objects,
/// songs, events, rejected records, seconds and user. The last three are null if an older version recorded the load.
pub(crate) fn loads_query(model: &Model, limit: u32) -> String {
    let column = |value| model.history_column(value);
    let kind = column(EngineValue::ObjectKind);
    let sum_of_kind = |record: RecordKind, then: &str| {
        format!(
            "COALESCE(SUM(CASE WHEN {kind} = '{}' THEN {then} END), 0)",
            record.singular()
        )
    };
    let rows = column(EngineValue::KeptRecords);
    let values = [
        (sum_of_kind(RecordKind::Song, "1"), "song_objects"),
        (sum_of_kind(RecordKind::Log, "1"), "log_objects"),
        (sum_of_kind(RecordKind::Song, rows), "songs"),
        (sum_of_kind(RecordKind::Log, rows), "events"),
        (
            format!("SUM({})", column(EngineValue::RejectedRecords)),
            "rejected_records",
        ),
        (
            format!("MAX({})", column(EngineValue::LoadSeconds)),
            "load_seconds",
        ),
        (
            format!("MAX({})", column(EngineValue::LoadedBy)),
            "loaded_by",
        ),
    ];
    newest_first(model, &values, limit)
}

/// Returns the query for values of the newest loads, with their names, after run and time. The time is in UTC, as in ISO
/// 8601. Rows without run or time are left out: only other programs write them.
fn newest_first(model: &Model, values: &[(String, &str)], limit: u32) -> String {
    let [run, loaded_at] =
        [EngineValue::Run, EngineValue::LoadedAt].map(|value| model.history_column(value));
    let values: String = values
        .iter()
        .map(|(value, name)| format!(",\n    {value} AS {name}"))
        .collect();
    format!(
        "SELECT
    {run},
    TO_CHAR(MAX({loaded_at}), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS loaded_at{values}
FROM {}
WHERE {run} IS NOT NULL AND {loaded_at} IS NOT NULL
GROUP BY {run}
ORDER BY MAX({loaded_at}) DESC, {run} DESC
LIMIT {limit}",
        model.load_history.name
    )
}
