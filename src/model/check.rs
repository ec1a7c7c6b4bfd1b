//! Checks that a model is consistent, so that whatever reads it can rely on its names, types and rules.

use std::collections::BTreeSet;

use super::column::{ColumnSchema, ColumnType, EngineValue, ValueSource};
use super::record::{FieldType, RecordField, RecordSchema};
use super::rule::{FactRule, OrderTerm, PickRule, TableRule};
use super::star::Model;
use super::table::TableSchema;

/// A sentence that says what is wrong with a model.
type Problem = String;

impl Model {
    /// Checks that the model is consistent.
    ///
    /// # Errors
    /// Returns the first thing that is wrong.
    pub fn check(&self) -> Result<(), Problem> {
        self.check_names()?;
        self.check_rules()?;
        for table in self.all_tables() {
            let context = |problem: Problem| format!("table {}: {problem}", table.name);
            self.check_columns(table).map_err(context)?;
            self.check_references(table).map_err(context)?;
            check_added_columns(table).map_err(context)?;
            match table.rule {
                TableRule::Fact(rule) => self.check_fact(table, rule).map_err(context)?,
                TableRule::Pick(rule) => self.check_pick(table, rule).map_err(context)?,
                TableRule::Calendar
                | TableRule::PickState { .. }
                | TableRule::LookupKeys { .. }
                | TableRule::SourceObjects
                | TableRule::LoadHistory => {}
            }
        }
        self.check_lookup()
            .map_err(|problem| format!("lookup: {problem}"))
    }

    /// Names are distinct, and those that the rules contain belong to something.
    fn check_names(&self) -> Result<(), Problem> {
        let mut names = BTreeSet::new();
        let mut dirs = BTreeSet::new();
        for table in self.all_tables() {
            let is_new = names.insert(table.name) && dirs.insert(table.dir);
            ensure(is_new, || format!("table {} occurs twice", table.name))?;
            let columns: BTreeSet<_> = table.columns.iter().map(|column| column.name).collect();
            let are_distinct = columns.len() == table.columns.len();
            ensure(are_distinct, || {
                format!("table {}: a column occurs twice", table.name)
            })?;
        }
        let former = self.all_tables().flat_map(|table| table.former_names);
        for name in former {
            ensure(names.insert(name), || {
                format!("the old name {name} is that of another table")
            })?;
        }
        let is_table = |name: &str| ensure(names.contains(name), || format!("no table {name}"));
        let is_record = |name: &str| {
            let mut records = self.records.iter();
            ensure(records.any(|record| record.name == name), || {
                format!("no record {name}")
            })
        };
        for table in self.all_tables() {
            for reference in table.references {
                is_table(reference.table)?;
            }
            match table.rule {
                TableRule::Fact(rule) => {
                    is_record(rule.record)?;
                    is_table(rule.lookup.table)?;
                    is_table(rule.lookup.keys)?;
                }
                TableRule::Pick(rule) => {
                    is_record(rule.record)?;
                    rule.state.map_or(Ok(()), is_table)?;
                }
                TableRule::PickState { of } | TableRule::LookupKeys { of } => is_table(of)?,
                TableRule::Calendar | TableRule::SourceObjects | TableRule::LoadHistory => {}
            }
        }
        Ok(())
    }

    /// Each table has one place in a star schema of one fact table.
    fn check_rules(&self) -> Result<(), Problem> {
        let count = |is_rule: fn(&TableRule) -> bool| {
            let tables = self.all_tables();
            tables.filter(|table| is_rule(&table.rule)).count()
        };
        let has_one_of_each = [
            count(|rule| matches!(rule, TableRule::Fact(_))),
            count(|rule| matches!(rule, TableRule::Calendar)),
            count(|rule| matches!(rule, TableRule::LookupKeys { .. })),
            count(|rule| matches!(rule, TableRule::SourceObjects)),
            count(|rule| matches!(rule, TableRule::LoadHistory)),
        ];
        ensure(has_one_of_each == [1; 5], || {
            "a model has one fact table, calendar, table of lookup keys, of source objects and of loads"
                .to_owned()
        })?;
        let (_, fact) = self.fact();
        let lookup = self.table(fact.lookup.table);
        let TableRule::Pick(lookup_rule) = lookup.rule else {
            return Err(format!("{} is not picked from records", lookup.name));
        };
        ensure(lookup_rule.record != fact.record, || {
            "the fact table is looked up in its own record".to_owned()
        })?;
        for table in self.merge_state {
            let belongs = match table.rule {
                TableRule::Pick(_) => *table == lookup,
                TableRule::PickState { of } => {
                    let picked = self.picks().find(|(picked, _)| picked.name == of);
                    picked.is_some_and(|(_, rule)| rule.state == Some(table.name))
                }
                TableRule::LookupKeys { .. } => table.name == fact.lookup.keys,
                TableRule::SourceObjects => true,
                TableRule::Fact(_) | TableRule::Calendar | TableRule::LoadHistory => false,
            };
            ensure(belongs, || format!("{} is not merge state", table.name))?;
        }
        for (table, rule) in self.picks() {
            let is_built = [fact.record, lookup_rule.record].contains(&rule.record);
            ensure(is_built, || {
                format!("{} is picked from a record that is not read", table.name)
            })?;
        }
        let of_load = EngineValue::OBJECT_VALUES
            .into_iter()
            .chain(EngineValue::LOAD_VALUES);
        ensure_engine_columns(self.source_objects(), &EngineValue::OBJECT_VALUES)?;
        ensure_engine_columns(self.load_history, &of_load.collect::<Vec<_>>())
    }

    /// A column has a type that can hold the values of its source, and is nullable if they are.
    fn check_columns(&self, table: &TableSchema) -> Result<(), Problem> {
        let has_sort_key = table.column(table.redshift.sort_key).is_some();
        ensure(has_sort_key, || "the sort key is not a column".to_owned())?;
        for column in table.columns {
            let context = |problem: &str| format!("column {}: {problem}", column.name);
            let field = |key| {
                let record = self.record_of(table);
                let record = record.ok_or_else(|| context("the table has no record"))?;
                find_field(record, key).ok_or_else(|| context("its record has no such field"))
            };
            let is_required = |key| field(key).map(|field| field.required);
            let fits = match column.source {
                ValueSource::Field(key) => {
                    let field = field(key)?;
                    // A row of the keys of a lookup exists only if all values are there.
                    let is_key = matches!(table.rule, TableRule::LookupKeys { .. });
                    let is_nullable = !field.required && !is_key;
                    holds_field(column.ty, field.ty) && column.nullable == is_nullable
                }
                ValueSource::Hash(keys) => {
                    for key in keys {
                        let has_hash = field(key)?.ty != FieldType::Double;
                        ensure(has_hash, || context("a double has no documented hash"))?;
                    }
                    (column.ty, column.nullable) == (ColumnType::BigInt, false)
                }
                ValueSource::CalendarPart(key, _) => {
                    let is_time = holds_field(ColumnType::Timestamp, field(key)?.ty);
                    let ty = (column.ty, column.nullable);
                    is_time && is_required(key)? && ty == (ColumnType::SmallInt, false)
                }
                ValueSource::Lookup(name) => {
                    let looked_up = self.lookup().0.column(name);
                    let looked_up = looked_up.ok_or_else(|| context("is not looked up"))?;
                    let is_text = looked_up.ty.is_text() && !looked_up.nullable;
                    is_text && (column.ty, column.nullable) == (looked_up.ty, true)
                }
                ValueSource::Engine(value) => {
                    self.record_of(table).is_none() && holds_engine_value(column.ty, value)
                }
            };
            ensure(fits, || {
                context("it does not hold the values of its source")
            })?;
        }
        Ok(())
    }

    /// A foreign key refers to a primary key of the same type, and not back to its own table.
    fn check_references(&self, table: &TableSchema) -> Result<(), Problem> {
        for reference in table.references {
            let column = table.column(reference.column);
            let fits = match self.table(reference.table).key() {
                [key] => column.is_some_and(|column| column.ty == key.ty),
                _ => false,
            };
            ensure(fits, || format!("{} does not fit", reference.name))?;
        }
        // The tables that can be reached; if the table is among them, it depends on itself.
        let mut reached: Vec<&TableSchema> = Vec::new();
        let mut next: Vec<&TableSchema> = vec![table];
        while let Some(table) = next.pop() {
            for reference in table.references {
                let other = self.table(reference.table);
                if !reached.contains(&other) {
                    reached.push(other);
                    next.push(other);
                }
            }
        }
        ensure(!reached.contains(&table), || {
            "it refers to itself".to_owned()
        })
    }

    /// The order determines every value of a row, and a later load can repeat the choice.
    fn check_pick(&self, table: &TableSchema, rule: PickRule) -> Result<(), Problem> {
        ensure(table.key_len > 0, || "it has no primary key".to_owned())?;
        let state = rule.state.map(|state| self.table(state));
        let mut columns: Vec<&ColumnSchema> = table.columns.iter().collect();
        if let Some(state) = state {
            let key = state.columns.get(..table.key_len);
            let has_key = key.is_some_and(|key| {
                let names = |columns: &[ColumnSchema]| -> Vec<_> {
                    columns
                        .iter()
                        .map(|column| (column.name, column.ty))
                        .collect()
                };
                names(key) == names(table.key())
            });
            ensure(has_key, || "its state begins with another key".to_owned())?;
            columns.extend(&state.columns[table.key_len..]);
        }
        check_order(rule.order, &columns)?;
        for column in table.values() {
            ensure(is_ordered_by(rule.order, column.name), || {
                format!("the order does not decide about {}", column.name)
            })?;
        }
        Ok(())
    }

    /// The id is a hash of required fields, and deliveries differ only in the order and the lookup.
    fn check_fact(&self, table: &TableSchema, rule: FactRule) -> Result<(), Problem> {
        let ([key], keys) = (table.key(), self.table(rule.lookup.keys)) else {
            return Err("its primary key is not one column".to_owned());
        };
        let ValueSource::Hash(hashed) = key.source else {
            return Err("its primary key is not a hash".to_owned());
        };
        let record = self.record(rule.record);
        let is_required = |key: &&str| find_field(record, key).is_some_and(|field| field.required);
        ensure(hashed.iter().all(is_required), || {
            "its primary key has the hash of a field that is not required".to_owned()
        })?;
        let key_columns = &keys.columns[table.key_len.min(keys.columns.len())..];
        let is_key = |column: &ColumnSchema| key_columns.iter().any(|key| key.name == column.name);
        ensure(!table.columns.iter().any(is_key), || {
            "a column has the name of a key of the lookup".to_owned()
        })?;
        let columns: Vec<&ColumnSchema> = table.columns.iter().chain(key_columns).collect();
        check_order(rule.order, &columns)?;
        let only_columns = |term: &OrderTerm| matches!(term, OrderTerm::Ascending(_));
        ensure(rule.order.iter().all(only_columns), || {
            "deliveries are ordered by other terms than ascending columns".to_owned()
        })?;
        for column in table.values() {
            let is_determined = match column.source {
                ValueSource::Field(field) | ValueSource::CalendarPart(field, _) => {
                    hashed.contains(&field) || is_ordered_by(rule.order, column.name)
                }
                ValueSource::Lookup(_) => true,
                ValueSource::Hash(_) | ValueSource::Engine(_) => false,
            };
            ensure(is_determined, || {
                format!(
                    "the order of deliveries does not decide about {}",
                    column.name
                )
            })?;
        }
        Ok(())
    }

    /// An event and the record that it matches have the same key.
    fn check_lookup(&self) -> Result<(), Problem> {
        let (fact, rule) = self.fact();
        let (table, pick) = self.lookup();
        let keys = self.table(rule.lookup.keys);
        ensure(pick.state.is_none(), || "its table has a state".to_owned())?;
        let (fact_key, key) = keys.columns.split_at(fact.key_len.min(keys.columns.len()));
        let names = |columns: &[ColumnSchema]| -> Vec<_> {
            columns
                .iter()
                .map(|column| (column.name, column.ty))
                .collect()
        };
        let has_keys = names(fact_key) == names(fact.key()) && names(key) == names(table.key());
        ensure(has_keys, || "its keys are other columns".to_owned())?;
        let (event, record) = (self.record(rule.record), self.record(pick.record));
        for (event_key, record_key) in rule.lookup.equal {
            let fields = (find_field(event, event_key), find_field(record, record_key));
            let is_comparable = match fields {
                (Some(event), Some(record)) => {
                    let is_same =
                        std::mem::discriminant(&event.ty) == std::mem::discriminant(&record.ty);
                    record.required && (is_same || (event.ty.is_text() && record.ty.is_text()))
                }
                _ => false,
            };
            ensure(is_comparable, || {
                format!("{event_key} and {record_key} cannot be compared")
            })?;
        }
        let mut used = BTreeSet::new();
        for (position, (event, record)) in key.iter().zip(table.key()).enumerate() {
            let pairs: Vec<(&str, &str)> = match (event.source, record.source) {
                (ValueSource::Hash(event), ValueSource::Hash(record)) if position == 0 => {
                    event.iter().copied().zip(record.iter().copied()).collect()
                }
                (ValueSource::Field(event), ValueSource::Field(record))
                    if position > 0 && !key[position].ty.is_text() =>
                {
                    vec![(event, record)]
                }
                _ => Vec::new(),
            };
            let are_equal = pairs.iter().all(|pair| rule.lookup.equal.contains(pair));
            ensure(!pairs.is_empty() && are_equal, || {
                format!("{} is not a key of equal values", record.name)
            })?;
            used.extend(pairs);
        }
        ensure(used.len() == rule.lookup.equal.len(), || {
            "its keys leave out some of the equal values".to_owned()
        })
    }
}

fn ensure(is_right: bool, problem: impl FnOnce() -> Problem) -> Result<(), Problem> {
    match is_right {
        true => Ok(()),
        false => Err(problem()),
    }
}

/// Columns that were added to a table are its last ones, as an upgrade adds them, and older rows have a value for them.
fn check_added_columns(table: &TableSchema) -> Result<(), Problem> {
    let first = table
        .columns
        .iter()
        .position(|column| column.added.is_some());
    for column in first.map_or(&[][..], |first| &table.columns[first..]) {
        let fits = column
            .added
            .is_some_and(|added| added.fill.is_some() != column.nullable);
        ensure(fits, || {
            format!("column {}: an upgrade cannot add it", column.name)
        })?;
    }
    ensure(
        first.is_none_or(|first| first >= table.key_len.max(1)),
        || "an upgrade cannot add the primary key".to_owned(),
    )
}

/// Checks that a table has one column for each of the values, and no other.
fn ensure_engine_columns(table: &TableSchema, values: &[EngineValue]) -> Result<(), Problem> {
    let has_all = values
        .iter()
        .all(|&value| table.engine_column(value).is_some());
    ensure(has_all && table.columns.len() == values.len(), || {
        format!("{} does not have one column for each value", table.name)
    })
}

/// Returns true if a column of this type can hold the value.
fn holds_engine_value(ty: ColumnType, value: EngineValue) -> bool {
    match value {
        EngineValue::ObjectKind
        | EngineValue::ObjectName
        | EngineValue::ObjectVersion
        | EngineValue::Run
        | EngineValue::LoadedBy => ty.is_text(),
        EngineValue::KeptRecords | EngineValue::RejectedRecords | EngineValue::RejectedBytes => {
            ty == ColumnType::BigInt
        }
        EngineValue::LoadedAt => ty == ColumnType::Timestamp,
        EngineValue::LoadSeconds => ty == ColumnType::Double,
    }
}

fn find_field(record: &RecordSchema, key: &str) -> Option<&'static RecordField> {
    record.fields.iter().find(|field| field.key == key)
}

/// Returns true if a column of type `ty` holds exactly the values of a field.
fn holds_field(ty: ColumnType, field: FieldType) -> bool {
    match (field, ty) {
        (
            FieldType::Text { max_bytes } | FieldType::DictText { max_bytes },
            ColumnType::Varchar(bytes),
        ) => bytes == max_bytes,
        (FieldType::Int32, ColumnType::Integer)
        | (FieldType::Double, ColumnType::Double)
        | (FieldType::Int64 { .. }, ColumnType::BigInt) => true,
        // Milliseconds become microseconds.
        (FieldType::Int64 { min, max }, ColumnType::Timestamp) => {
            min.checked_mul(1000).is_some() && max.checked_mul(1000).is_some()
        }
        _ => false,
    }
}

fn is_ordered_by(order: &[OrderTerm], name: &str) -> bool {
    order.iter().any(|term| match term {
        OrderTerm::Ascending(column) | OrderTerm::Descending(column) => *column == name,
        OrderTerm::AllPresent(_) | OrderTerm::NonEmpty(_) => false,
    })
}

/// The columns of an order exist, and have the types that its terms need.
fn check_order(order: &[OrderTerm], columns: &[&ColumnSchema]) -> Result<(), Problem> {
    for term in order {
        for name in term.columns() {
            let column = columns.iter().find(|column| column.name == *name);
            let fits = column.is_some_and(|column| match term {
                OrderTerm::Ascending(_) | OrderTerm::AllPresent(_) => true,
                OrderTerm::Descending(_) => !column.nullable,
                OrderTerm::NonEmpty(_) => column.ty.is_text(),
            });
            ensure(fits, || format!("the order cannot use {name}"))?;
        }
    }
    Ok(())
}
