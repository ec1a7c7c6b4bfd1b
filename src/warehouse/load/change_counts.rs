//! Counts the effect of a load on each table of the star schema.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::sparkify::SPARKIFY;
use crate::warehouse::sql::statement::Effect;

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
pub(super) fn record_effect(changes: &mut ChangeCounts, effect: Effect, rows: u64) {
    let (table, count): (_, fn(&mut TableChangeCounts) -> &mut u64) = match effect {
        Effect::Insert(table) => (table, |counts| &mut counts.added),
        Effect::Update(table) => (table, |counts| &mut counts.changed),
        Effect::Delete(table) => (table, |counts| &mut counts.removed),
        Effect::Begin
        | Effect::Lock
        | Effect::LoadedRuns
        | Effect::Create(_)
        | Effect::Alter(_)
        | Effect::Drop(_)
        | Effect::View
        | Effect::Temporary
        | Effect::DropRaw(_)
        | Effect::CreateRaw(_)
        | Effect::DropConstraints
        | Effect::Constraints
        | Effect::Copy(_)
        | Effect::CopyRecords(_)
        | Effect::CopySourceObjects
        | Effect::Transform(_)
        | Effect::Check(_)
        | Effect::Commit => return,
    };
    match changes.get_mut(table.name) {
        Some(counts) => *count(counts) += rows,
        None => assert!(
            !SPARKIFY.star.contains(&table),
            "each table of the star schema has counts"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sparkify::{STATE_USERS, USERS};

    #[test]
    fn statements_count_for_their_table() {
        let mut changes = ChangeCounts::from([("users", TableChangeCounts::default())]);
        for (effect, rows) in [
            (Effect::Insert(&USERS), 1),
            (Effect::Update(&USERS), 2),
            (Effect::Delete(&USERS), 3),
            (Effect::Insert(&STATE_USERS), 10),
            (Effect::Copy(&USERS), 20),
            (Effect::Temporary, 30),
            (Effect::Commit, 40),
        ] {
            record_effect(&mut changes, effect, rows);
        }
        let expected = TableChangeCounts {
            rows: 0,
            added: 1,
            changed: 2,
            removed: 3,
        };
        assert_eq!(changes["users"], expected);
        assert_eq!(changes.len(), 1);
    }
}
