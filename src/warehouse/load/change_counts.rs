//! Counts the effect of a load on each table of the star schema.

use std::collections::BTreeMap;

use serde::Serialize;

/// Effect of a load on one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TableChangeCounts {
    /// Rows of the table in the dataset.
    pub rows: u64,
    /// Rows that were inserted.
    pub added: u64,
    /// Rows that were updated.
    pub changed: u64,
    /// Rows that a full refresh deleted.
    pub removed: u64,
}

/// Effect of a load on each table of the star schema, by the name of the table.
pub(super) type ChangeCounts = BTreeMap<&'static str, TableChangeCounts>;

/// Adds the rows that a statement changed to the counts of its table. Statements that change no table of the star schema
/// have no effect on the counts.
pub(super) fn record_effect(changes: &mut ChangeCounts, sql: &str, rows: u64) {
    let words: Vec<&str> = sql.split_whitespace().take(3).collect();
    let table = match words[..] {
        ["UPDATE", table, ..] => table,
        ["INSERT", "INTO", table] | ["DELETE", "FROM", table] => table,
        _ => return,
    };
    let Some(counts) = changes.get_mut(table) else {
        return;
    };
    match words[0] {
        "INSERT" => counts.added += rows,
        "UPDATE" => counts.changed += rows,
        _ => counts.removed += rows,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_count_for_their_table() {
        let mut changes = ChangeCounts::from([("users", TableChangeCounts::default())]);
        for (sql, rows) in [
            ("INSERT INTO users (user_id)\nSELECT 1", 1),
            ("UPDATE users w\nSET level = 'free'", 2),
            ("DELETE FROM users", 3),
            ("INSERT INTO state_users SELECT 1", 10),
            ("ANALYZE users", 20),
            ("CREATE TEMP TABLE users", 30),
            ("COMMIT", 40),
        ] {
            record_effect(&mut changes, sql, rows);
        }
        let expected = TableChangeCounts {
            rows: 0,
            added: 1,
            changed: 2,
            removed: 3,
        };
        assert_eq!(changes["users"], expected);
    }
}
