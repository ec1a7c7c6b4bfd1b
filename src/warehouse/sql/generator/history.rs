//! Generates the query for the loads in the load history.

use crate::input::RecordKind;
use crate::model::{EngineValue, Model};

/// Returns the query for the newest loads, the newest first: run, time in UTC, number of song objects and of log objects,
/// songs, events, rejected records, seconds and user. The last three are null if an older version recorded the load.
pub(crate) fn loads_query(model: &Model, limit: u32) -> String {
    let column = |value| model.history_column(value);
    let kind = column(EngineValue::ObjectKind);
    let of_kind = |record: RecordKind, then: &str| {
        format!(
            "CASE WHEN {kind} = '{}' THEN {then} ELSE 0 END",
            record.singular()
        )
    };
    let (run, loaded_at) = (column(EngineValue::Run), column(EngineValue::LoadedAt));
    let rows = column(EngineValue::KeptRecords);
    format!(
        "SELECT
    {run},
    TO_CHAR(MAX({loaded_at}), 'YYYY-MM-DD HH24:MI:SS') AS loaded_at,
    SUM({}) AS song_objects,
    SUM({}) AS log_objects,
    SUM({}) AS songs,
    SUM({}) AS events,
    SUM({}) AS rejected_records,
    MAX({}) AS load_seconds,
    MAX({}) AS loaded_by
FROM {}
GROUP BY {run}
ORDER BY MAX({loaded_at}) DESC, {run} DESC
LIMIT {limit}",
        of_kind(RecordKind::Song, "1"),
        of_kind(RecordKind::Log, "1"),
        of_kind(RecordKind::Song, rows),
        of_kind(RecordKind::Log, rows),
        column(EngineValue::RejectedRecords),
        column(EngineValue::LoadSeconds),
        column(EngineValue::LoadedBy),
        model.load_history.name,
    )
}
