//! The star schema as a JSON document, for programs.

use serde::Serialize;

use super::table_kind::TableKind;
use crate::model::{
    ColumnSchema, Distribution, FieldType, LookupRule, Model, OrderTerm, RecordField, RecordSchema,
    RedshiftLayout, Reference, TableRule, TableSchema, ValueSource,
};

/// The version of the document. A change of its keys or of their meaning raises it.
const SCHEMA_VERSION: u32 = 1;

/// Returns the model as a JSON document.
#[expect(
    clippy::expect_used,
    reason = "the document has text keys and values that JSON can represent"
)]
pub(crate) fn json_document(model: &Model) -> String {
    let json = serde_json::to_string_pretty(&SchemaJson::new(model));
    json.expect("a document of texts and numbers is valid JSON") + "\n"
}

#[derive(Serialize)]
struct SchemaJson {
    schema_version: u32,
    sparkify_version: &'static str,
    model: &'static str,
    records: Vec<RecordJson>,
    tables: Vec<TableJson>,
}

#[derive(Serialize)]
struct RecordJson {
    name: &'static str,
    description: &'static str,
    filter: Option<FilterJson>,
    keys: Vec<KeyJson>,
    unused_keys: &'static [&'static str],
}

#[derive(Serialize)]
struct FilterJson {
    key: &'static str,
    value: &'static str,
}

#[derive(Serialize)]
struct KeyJson {
    key: &'static str,
    required: bool,
    #[serde(flatten)]
    ty: KeyTypeJson,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum KeyTypeJson {
    /// `max_bytes` is null if there is no limit.
    Text {
        max_bytes: Option<usize>,
    },
    Integer {
        min: i64,
        max: i64,
    },
    Double,
}

#[derive(Serialize)]
struct TableJson {
    name: &'static str,
    kind: TableKind,
    description: &'static str,
    /// The directory in a dataset; null for a table that only a warehouse has.
    directory: Option<&'static str>,
    record: Option<&'static str>,
    primary_key: Vec<&'static str>,
    columns: Vec<ColumnJson>,
    references: Vec<ReferenceJson>,
    rule: RuleJson,
    /// Null for a table that only a dataset has.
    redshift: Option<RedshiftJson>,
}

#[derive(Serialize)]
struct ColumnJson {
    name: &'static str,
    #[serde(rename = "type")]
    ty: String,
    nullable: bool,
    source: SourceJson,
    description: &'static str,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum SourceJson {
    Field { key: &'static str },
    Hash { keys: &'static [&'static str] },
    CalendarPart { key: &'static str, part: String },
    Lookup { column: &'static str },
    Engine,
}

#[derive(Serialize)]
struct ReferenceJson {
    name: &'static str,
    column: &'static str,
    table: &'static str,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum RuleJson {
    Fact {
        order: Vec<OrderTermJson>,
        explanation: &'static str,
        lookup: LookupJson,
    },
    Pick {
        order: Vec<OrderTermJson>,
        explanation: &'static str,
        state: Option<&'static str>,
    },
    Calendar,
    PickState {
        of: &'static str,
    },
    LookupKeys {
        of: &'static str,
    },
    SourceObjects,
    LoadHistory,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum OrderTermJson {
    Ascending { column: &'static str },
    Descending { column: &'static str },
    AllPresent { columns: &'static [&'static str] },
    NonEmpty { column: &'static str },
}

#[derive(Serialize)]
struct LookupJson {
    table: &'static str,
    keys: &'static str,
    equal: Vec<EqualKeysJson>,
}

/// A key of the record of the fact table, and the key of the looked-up record with an equal value.
#[derive(Serialize)]
struct EqualKeysJson {
    key: &'static str,
    looked_up_key: &'static str,
}

#[derive(Serialize)]
struct RedshiftJson {
    distribution: &'static str,
    /// The column of the distribution `key`.
    distribution_key: Option<&'static str>,
    sort_key: &'static str,
    /// Null if there is nothing to say.
    reason: Option<&'static str>,
}

impl SchemaJson {
    fn new(model: &Model) -> Self {
        let tables = model.all_tables();
        Self {
            schema_version: SCHEMA_VERSION,
            sparkify_version: env!("CARGO_PKG_VERSION"),
            model: model.name,
            records: model.records.iter().map(|r| RecordJson::new(r)).collect(),
            tables: tables.map(|table| TableJson::new(model, table)).collect(),
        }
    }
}

impl RecordJson {
    fn new(record: &RecordSchema) -> Self {
        Self {
            name: record.name,
            description: record.description,
            filter: record.filter.map(|filter| FilterJson {
                key: filter.key,
                value: filter.value,
            }),
            keys: record.fields.iter().map(KeyJson::new).collect(),
            unused_keys: record.unused_keys,
        }
    }
}

impl KeyJson {
    fn new(field: &RecordField) -> Self {
        let ty = match field.ty {
            FieldType::Text { max_bytes } | FieldType::DictText { max_bytes } => {
                KeyTypeJson::Text {
                    max_bytes: (max_bytes != usize::MAX).then_some(max_bytes),
                }
            }
            FieldType::Int32 => KeyTypeJson::Integer {
                min: i32::MIN.into(),
                max: i32::MAX.into(),
            },
            FieldType::Int64 { min, max } => KeyTypeJson::Integer { min, max },
            FieldType::Double => KeyTypeJson::Double,
        };
        Self {
            key: field.key,
            required: field.required,
            ty,
        }
    }
}

impl TableJson {
    fn new(model: &Model, table: &'static TableSchema) -> Self {
        let reference = |r: &Reference| ReferenceJson {
            name: r.name,
            column: r.column,
            table: r.table,
        };
        let is_in_warehouse = model.is_in_warehouse(table);
        Self {
            name: table.name,
            kind: TableKind::of(model, table),
            description: table.description,
            directory: (!table.dir.is_empty()).then_some(table.dir),
            record: model.record_of(table).map(|record| record.name),
            primary_key: table.key().iter().map(|column| column.name).collect(),
            columns: table.columns.iter().map(ColumnJson::new).collect(),
            references: table.references.iter().map(reference).collect(),
            rule: RuleJson::new(&table.rule),
            redshift: is_in_warehouse.then(|| RedshiftJson::new(&table.redshift)),
        }
    }
}

impl ColumnJson {
    fn new(column: &ColumnSchema) -> Self {
        let source = match column.source {
            ValueSource::Field(key) => SourceJson::Field { key },
            ValueSource::Hash(keys) => SourceJson::Hash { keys },
            ValueSource::CalendarPart(key, part) => SourceJson::CalendarPart {
                key,
                part: part.to_string(),
            },
            ValueSource::Lookup(column) => SourceJson::Lookup { column },
            ValueSource::Engine(_) => SourceJson::Engine,
        };
        Self {
            name: column.name,
            ty: column.ty.to_string(),
            nullable: column.nullable,
            source,
            description: column.description,
        }
    }
}

impl RuleJson {
    fn new(rule: &TableRule) -> Self {
        let order_json = |order: &[OrderTerm]| order.iter().map(OrderTermJson::new).collect();
        match *rule {
            TableRule::Fact(rule) => Self::Fact {
                order: order_json(rule.order),
                explanation: rule.explanation,
                lookup: LookupJson::new(&rule.lookup),
            },
            TableRule::Pick(rule) => Self::Pick {
                order: order_json(rule.order),
                explanation: rule.explanation,
                state: rule.state,
            },
            TableRule::Calendar => Self::Calendar,
            TableRule::PickState { of } => Self::PickState { of },
            TableRule::LookupKeys { of } => Self::LookupKeys { of },
            TableRule::SourceObjects => Self::SourceObjects,
            TableRule::LoadHistory => Self::LoadHistory,
        }
    }
}

impl OrderTermJson {
    fn new(term: &OrderTerm) -> Self {
        match *term {
            OrderTerm::Ascending(column) => Self::Ascending { column },
            OrderTerm::Descending(column) => Self::Descending { column },
            OrderTerm::AllPresent(columns) => Self::AllPresent { columns },
            OrderTerm::NonEmpty(column) => Self::NonEmpty { column },
        }
    }
}

impl LookupJson {
    fn new(lookup: &LookupRule) -> Self {
        let equal = lookup.equal.iter();
        let equal = equal.map(|&(key, looked_up_key)| EqualKeysJson { key, looked_up_key });
        Self {
            table: lookup.table,
            keys: lookup.keys,
            equal: equal.collect(),
        }
    }
}

impl RedshiftJson {
    fn new(layout: &RedshiftLayout) -> Self {
        let (distribution, distribution_key) = match layout.distribution {
            Distribution::All => ("all", None),
            Distribution::Even => ("even", None),
            Distribution::Key(column) => ("key", Some(column)),
        };
        Self {
            distribution,
            distribution_key,
            sort_key: layout.sort_key,
            reason: (!layout.reason.is_empty()).then_some(layout.reason),
        }
    }
}
