//! Describes how the rows of a table follow from the records.

/// The rule by which the rows of a table follow from the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableRule {
    /// One row for each distinct event.
    Fact(FactRule),
    /// One row for each key, from the first record by an order.
    Pick(PickRule),
    /// One row for each distinct time of the fact table's records, repeated deliveries included.
    Calendar,
    /// Merge state: for each row of a [`Pick`](Self::Pick) table the values of its order that the table lacks.
    PickState {
        /// The name of the table.
        of: &'static str,
    },
    /// Merge state: for each row of the fact table the key by which its row of the lookup table is found, so that a
    /// later load can look it up again. A row whose record lacks a value of the key is absent.
    LookupKeys {
        /// The name of the fact table.
        of: &'static str,
    },
    /// The objects that a dataset was built from. Each column has a value of
    /// [`EngineValue::OBJECT_VALUES`](super::EngineValue::OBJECT_VALUES).
    SourceObjects,
    /// The objects that were loaded into a warehouse. The columns have the values of
    /// [`EngineValue::OBJECT_VALUES`](super::EngineValue::OBJECT_VALUES) and
    /// [`EngineValue::LOAD_VALUES`](super::EngineValue::LOAD_VALUES), in any order.
    LoadHistory,
}

/// One row for each key: the first record by an order. The key is the primary key of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PickRule {
    /// The name of the record.
    pub record: &'static str,
    /// The order. Its columns belong to the table or to its state.
    pub order: &'static [OrderTerm],
    /// The name of the state table, if the order has columns that the table lacks.
    pub state: Option<&'static str>,
    /// Which record is picked, in full sentences: a comment of the SQL.
    pub explanation: &'static str,
}

/// One row for each distinct event. Records with the same primary key are deliveries of one event, of which the first
/// by an order is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactRule {
    /// The name of the record.
    pub record: &'static str,
    /// The order of deliveries. Its columns belong to the table or to the keys of the lookup, and the columns of the
    /// table come first. All others are equal in the deliveries of an event, or filled from the lookup.
    pub order: &'static [OrderTerm],
    /// The lookup that the columns with the source [`Lookup`](super::ValueSource::Lookup) are filled from.
    pub lookup: LookupRule,
    /// Which delivery is kept, in full sentences: a comment of the SQL.
    pub explanation: &'static str,
}

/// Finds a row of another table by equal values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupRule {
    /// The name of the table that is looked up in. Its rule is a [`Pick`](TableRule::Pick) without a state, and its primary
    /// key are the columns of `keys` after the primary key of the fact table.
    pub table: &'static str,
    /// The pairs of fields with equal values: the key of the field of the fact table's record, and of the looked-up
    /// record. A null equals nothing.
    pub equal: &'static [(&'static str, &'static str)],
    /// The name of the state table with the rule [`LookupKeys`](TableRule::LookupKeys).
    pub keys: &'static str,
}

/// A term of an order. Values are in ascending order unless the term says otherwise: text bytewise, null last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderTerm {
    /// Ascending by a column, null last.
    Ascending(&'static str),
    /// Descending by a column that is never null.
    Descending(&'static str),
    /// First the rows that have a value in each of the columns.
    AllPresent(&'static [&'static str]),
    /// First the rows whose text in the column is not empty.
    NonEmpty(&'static str),
}

impl OrderTerm {
    /// Returns the names of the columns.
    pub fn columns(&self) -> &[&'static str] {
        match self {
            Self::Ascending(column) | Self::Descending(column) | Self::NonEmpty(column) => {
                std::slice::from_ref(column)
            }
            Self::AllPresent(columns) => columns,
        }
    }
}
