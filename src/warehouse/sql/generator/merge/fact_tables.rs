//! Collects the tables and columns that the merge of the fact table is generated from.

use crate::model::{ColumnSchema, FactRule, Model, OrderTerm, TableSchema, ValueSource};

/// The fact table and the tables of its lookup.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FactTables {
    /// The fact table.
    pub fact: &'static TableSchema,
    /// Its rule.
    pub rule: FactRule,
    /// The table that it is looked up in.
    pub lookup: &'static TableSchema,
    /// The table of the keys by which it is looked up.
    pub keys: &'static TableSchema,
}

impl FactTables {
    pub(crate) fn new(model: &Model) -> Self {
        let (fact, rule) = model.fact();
        Self {
            fact,
            rule,
            lookup: model.lookup().0,
            keys: model.table(rule.lookup.keys),
        }
    }

    /// Returns the columns of the key by which an event is looked up.
    pub(crate) fn lookup_key(&self) -> &'static [ColumnSchema] {
        &self.keys.columns[self.fact.key_len..]
    }

    /// Returns the columns that may differ among the deliveries of an event. They are filled from the record or from the
    /// lookup.
    pub(crate) fn varying(&self) -> Vec<ColumnSchema> {
        let varies = |column: &&ColumnSchema| {
            self.is_in_order(column) || self.lookup_column(column).is_some()
        };
        self.fact.columns.iter().filter(varies).copied().collect()
    }

    /// Returns the columns of the fact table that deliveries of an event are ordered by.
    pub(crate) fn ordered(&self) -> Vec<ColumnSchema> {
        let columns = self.fact.columns.iter();
        columns
            .filter(|column| self.is_in_order(column))
            .copied()
            .collect()
    }

    fn is_in_order(&self, column: &ColumnSchema) -> bool {
        let mut names = self.rule.order.iter().flat_map(OrderTerm::columns);
        names.any(|name| *name == column.name)
    }

    /// Returns the columns that are filled from the lookup table, each with its column there.
    pub(crate) fn looked_up(&self) -> Vec<(ColumnSchema, ColumnSchema)> {
        let columns = self.fact.columns.iter();
        let pair = |column: &ColumnSchema| Some((*column, self.lookup_column(column)?));
        columns.filter_map(pair).collect()
    }

    /// Returns the column of the lookup table that a column of the fact table is filled from, if it is.
    #[expect(
        clippy::expect_used,
        reason = "a model is consistent: each name that it contains belongs to something"
    )]
    pub(crate) fn lookup_column(&self, column: &ColumnSchema) -> Option<ColumnSchema> {
        match column.source {
            ValueSource::Lookup(name) => {
                let column = self.lookup.column(name);
                Some(*column.expect("a lookup fills columns from columns of its table"))
            }
            ValueSource::Field(_)
            | ValueSource::Hash(_)
            | ValueSource::CalendarPart(..)
            | ValueSource::Engine(_) => None,
        }
    }
}
