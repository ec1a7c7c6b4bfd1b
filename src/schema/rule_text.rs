//! Says in sentences how rows follow from records.

use crate::model::{FactRule, Model, RecordSchema, TableRule, TableSchema, ValueSource};

/// Returns the rule of a table in full sentences.
pub(crate) fn rule_text(model: &Model, table: &TableSchema) -> String {
    match table.rule {
        TableRule::Fact(rule) => {
            format!("{} {}", rule.explanation, lookup_text(model, table, rule))
        }
        TableRule::Pick(rule) => rule.explanation.to_owned(),
        TableRule::Calendar => {
            let (fact, rule) = model.fact();
            format!(
                "The times of all deliveries of each {} count, not only of the one that becomes a row of {}.",
                rule.record, fact.name
            )
        }
        TableRule::PickState { of } => format!("A row is replaced together with its row of {of}."),
        TableRule::LookupKeys { of } => {
            let rule = model.fact().1;
            let keys: Vec<_> = rule.lookup.equal.iter().map(|(key, _)| *key).collect();
            format!(
                "A row of {of} has a row here if its {} record has {}.",
                rule.record,
                join_with_and(&keys)
            )
        }
        TableRule::SourceObjects => format!(
            "Only a dataset has this table. A load adds its rows to {}.",
            model.load_history.name
        ),
        TableRule::LoadHistory => format!(
            "Only a warehouse has this table. A load adds the rows of {} to it, with the run, the time, the user and the duration.",
            model.source_objects().name
        ),
    }
}

/// Returns the sentence that says which row of the lookup table belongs to a row of the fact table.
fn lookup_text(model: &Model, fact: &TableSchema, rule: FactRule) -> String {
    let is_looked_up = |source| matches!(source, ValueSource::Lookup(_));
    let columns = fact
        .columns
        .iter()
        .filter(|column| is_looked_up(column.source));
    let columns: Vec<_> = columns.map(|column| column.name).collect();
    let (keys, looked_up): (Vec<_>, Vec<_>) = rule.lookup.equal.iter().copied().unzip();
    format!(
        "{} are those of the {} record whose {} equal {} of the {} record, and null if there is none.",
        join_with_and(&columns),
        model.lookup().1.record,
        join_with_and(&looked_up),
        join_with_and(&keys),
        rule.record,
    )
}

/// Returns the sentence that says which records are kept; `None` if all are.
pub(crate) fn filter_text(record: &RecordSchema) -> Option<String> {
    let filter = record.filter?;
    Some(format!(
        "Only records whose {} is {} are kept.",
        filter.key, filter.value
    ))
}

/// Returns the sentences that name the keys of the hashes in a table; empty if it has none.
pub(crate) fn hash_text(table: &TableSchema) -> String {
    let sentences = table.columns.iter().filter_map(|column| {
        let ValueSource::Hash(keys) = column.source else {
            return None;
        };
        Some(format!(
            "{} is the hash of {}.",
            column.name,
            join_with_and(keys)
        ))
    });
    sentences.collect::<Vec<_>>().join(" ")
}

/// Joins words to a list such as `a, b and c`.
fn join_with_and(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [words @ .., last] => format!("{} and {last}", words.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sparkify::{SONGPLAYS, SPARKIFY, STATE_SONGPLAYS};

    #[test]
    fn rule_of_the_fact_table_names_the_lookup() {
        let text = rule_text(&SPARKIFY, &SONGPLAYS);
        let lookup = "song_id and artist_id are those of the song record whose title, artist_name and duration equal \
                      song, artist and length of the event record, and null if there is none.";
        assert!(text.ends_with(lookup), "{text}");
        assert_eq!(
            rule_text(&SPARKIFY, &STATE_SONGPLAYS),
            "A row of songplays has a row here if its event record has song, artist and length."
        );
    }

    #[test]
    fn lists_end_with_and() {
        for (words, list) in [
            (&[][..], ""),
            (&["a"], "a"),
            (&["a", "b"], "a and b"),
            (&["a", "b", "c"], "a, b and c"),
        ] {
            assert_eq!(join_with_and(words), list);
        }
    }
}
