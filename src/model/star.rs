//! Describes a whole star schema.

use super::column::EngineValue;
use super::record::RecordSchema;
use super::rule::{FactRule, PickRule, TableRule};
use super::table::TableSchema;

/// A star schema: its records and its tables.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    /// The name of the model.
    pub name: &'static str,
    /// The records that it is built from.
    pub records: &'static [&'static RecordSchema],
    /// The tables of the star schema, the fact table first.
    pub star: &'static [&'static TableSchema],
    /// The merge state of a dataset: what a load needs to know of it, and the star schema does not contain. A warehouse
    /// has the same tables, except that [`LoadHistory`](TableRule::LoadHistory) collects the source objects.
    pub merge_state: &'static [&'static TableSchema],
    /// The table of a warehouse that lists the objects that were loaded.
    pub load_history: &'static TableSchema,
}

#[expect(
    clippy::expect_used,
    reason = "a model is consistent: each name that it contains belongs to something"
)]
impl Model {
    /// Returns the tables of a dataset, which a run writes as Parquet.
    pub fn dataset_tables(&self) -> impl Iterator<Item = &'static TableSchema> {
        self.star.iter().chain(self.merge_state).copied()
    }

    /// Returns the tables of a dataset and of a warehouse.
    pub fn all_tables(&self) -> impl Iterator<Item = &'static TableSchema> {
        self.dataset_tables().chain([self.load_history])
    }

    /// Returns the tables of a warehouse.
    pub fn warehouse_tables(&self) -> impl Iterator<Item = &'static TableSchema> {
        self.dataset_tables()
            .filter(|table| table.rule != TableRule::SourceObjects)
            .chain([self.load_history])
    }

    /// Returns true if a warehouse has the table.
    pub fn is_in_warehouse(&self, table: &TableSchema) -> bool {
        self.warehouse_tables().any(|other| other == table)
    }

    /// Returns the tables of a warehouse, each after the tables that it refers to.
    pub fn warehouse_tables_by_dependency(&self) -> Vec<&'static TableSchema> {
        let mut tables = Vec::new();
        for table in self.warehouse_tables() {
            self.visit(table, &mut tables);
        }
        tables
    }

    /// Returns the tables of a dataset, each after the tables that it refers to.
    pub fn dataset_tables_by_dependency(&self) -> Vec<&'static TableSchema> {
        let mut tables = self.warehouse_tables_by_dependency();
        tables.retain(|table| table.rule != TableRule::LoadHistory);
        tables.push(self.source_objects());
        tables
    }

    /// Adds a table after the tables that it refers to, unless it was added before.
    fn visit(&self, table: &'static TableSchema, tables: &mut Vec<&'static TableSchema>) {
        if tables.contains(&table) {
            return;
        }
        // The fact table refers to the largest dimension first. The small ones come before it.
        for reference in table.references.iter().rev() {
            self.visit(self.table(reference.table), tables);
        }
        tables.push(table);
    }

    /// Returns a table by its name.
    ///
    /// # Panics
    /// Panics if the model has no such table.
    pub fn table(&self, name: &str) -> &'static TableSchema {
        self.all_tables()
            .find(|table| table.name == name)
            .expect("a name in the model belongs to a table of the model")
    }

    /// Returns the table of a dataset that lists the objects that it was built from.
    pub fn source_objects(&self) -> &'static TableSchema {
        self.dataset_tables()
            .find(|table| table.rule == TableRule::SourceObjects)
            .expect("a dataset lists the objects that it was built from")
    }

    /// Returns the name of the column of the history of loads that has a value.
    ///
    /// # Panics
    /// Panics if no column has it.
    pub fn history_column(&self, value: EngineValue) -> &'static str {
        let column = self.load_history.engine_column(value);
        column.expect("the history of loads has all values").name
    }

    /// Returns a record by its name.
    ///
    /// # Panics
    /// Panics if the model has no such record.
    pub fn record(&self, name: &str) -> &'static RecordSchema {
        self.records
            .iter()
            .find(|record| record.name == name)
            .expect("a name in the model belongs to a record of the model")
    }

    /// Returns the record that the rows of a table are built from; `None` if they are facts about a run or a load.
    pub fn record_of(&self, table: &TableSchema) -> Option<&'static RecordSchema> {
        match table.rule {
            TableRule::Fact(rule) => Some(self.record(rule.record)),
            TableRule::Pick(rule) => Some(self.record(rule.record)),
            TableRule::Calendar => Some(self.record(self.fact().1.record)),
            TableRule::PickState { of } | TableRule::LookupKeys { of } => {
                self.record_of(self.table(of))
            }
            TableRule::SourceObjects | TableRule::LoadHistory => None,
        }
    }

    /// Returns the fact table and its rule.
    pub fn fact(&self) -> (&'static TableSchema, FactRule) {
        let fact = self.star.iter().find_map(|table| match table.rule {
            TableRule::Fact(rule) => Some((*table, rule)),
            _ => None,
        });
        fact.expect("a star schema has a fact table")
    }

    /// Returns the tables of the star schema that are picked from records, and their rules.
    pub fn picks(&self) -> impl Iterator<Item = (&'static TableSchema, PickRule)> {
        self.star.iter().filter_map(|table| match table.rule {
            TableRule::Pick(rule) => Some((*table, rule)),
            _ => None,
        })
    }

    /// Returns the calendars of the star schema.
    pub fn calendars(&self) -> impl Iterator<Item = &'static TableSchema> {
        let tables = self.star.iter().copied();
        tables.filter(|table| table.rule == TableRule::Calendar)
    }

    /// Returns the table that the fact table is looked up in, and its rule.
    ///
    /// # Panics
    /// Panics if the table is not a pick.
    pub fn lookup(&self) -> (&'static TableSchema, PickRule) {
        let table = self.table(self.fact().1.lookup.table);
        let rule = match table.rule {
            TableRule::Pick(rule) => Some(rule),
            _ => None,
        };
        (
            table,
            rule.expect("the table of a lookup is picked from records"),
        )
    }
}
