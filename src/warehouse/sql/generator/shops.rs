//! A model for tests, whose names, keys and orders are others than those of the built-in one.

use crate::model::ColumnType::{BigInt, Double, Integer, SmallInt, Timestamp, Varchar};
use crate::model::OrderTerm::{AllPresent, Ascending, Descending, NonEmpty};
use crate::model::ValueSource::{Engine, Field, Hash, Lookup};
use crate::model::{
    ColumnSchema, ColumnType, Distribution, EngineValue, FactRule, FieldType, LookupRule, Model,
    PickRule, RecordField, RecordFilter, RecordSchema, RedshiftLayout, TableRule, TableSchema,
    ValueSource,
};

/// Sales in shops, at the prices of a list.
pub(super) static SHOPS: Model = Model {
    name: "shops",
    records: &[&PRICE, &SALE],
    star: &[&SALES, &BRANCHES, &DAYS],
    merge_state: &[&FILES, &PRICES, &SALE_PRODUCTS],
    load_history: &LOADS,
};

/// A name has capital letters, and the filter has a quote.
static SALE: RecordSchema = RecordSchema {
    name: "sale",
    description: "",
    fields: &[
        field("receipt", FieldType::Int32, true),
        field("sold_on", FieldType::Int64 { min: -9, max: 9 }, true),
        field("clerk", FieldType::DictText { max_bytes: 9 }, false),
        field("product", FieldType::Text { max_bytes: 9 }, false),
        field("country", FieldType::Text { max_bytes: 9 }, true),
        field("branch", FieldType::Int32, true),
        field("street", FieldType::Text { max_bytes: 9 }, false),
        field("area", FieldType::Double, false),
    ],
    filter: Some(RecordFilter {
        key: "bookingType",
        value: "it's sold",
    }),
    unused_keys: &["Notes"],
};

/// All records are kept.
static PRICE: RecordSchema = RecordSchema {
    name: "price",
    description: "",
    fields: &[
        field("product", FieldType::Text { max_bytes: 9 }, true),
        field("edition", FieldType::Int32, true),
        field("valid_from", FieldType::Int64 { min: -9, max: 9 }, false),
        field("price_code", FieldType::Text { max_bytes: 9 }, true),
    ],
    filter: None,
    unused_keys: &[],
};

const fn field(key: &'static str, ty: FieldType, required: bool) -> RecordField {
    RecordField { key, ty, required }
}

/// A column is filled from one that has another name.
static SALES: TableSchema = table(
    "sales",
    &[
        column("sale_id", BigInt, Hash(&["receipt"])),
        column("sold_on", Timestamp, Field("sold_on")),
        column("clerk", Varchar(9), Field("clerk")).or_null(),
        column("tariff", Varchar(9), Lookup("price_code")).or_null(),
    ],
    1,
    TableRule::Fact(FactRule {
        record: "sale",
        order: &[Ascending("clerk"), Ascending("product")],
        lookup: LookupRule {
            table: "prices",
            equal: &[("product", "product")],
            keys: "sale_products",
        },
        explanation: "The first clerk counts.",
    }),
    Distribution::Key("sold_on"),
);

/// The key has two columns, one of them text.
static BRANCHES: TableSchema = table(
    "branches",
    &[
        column("country", Varchar(9), Field("country")),
        column("branch", Integer, Field("branch")),
        column("street", Varchar(9), Field("street")).or_null(),
        column("area", Double, Field("area")).or_null(),
    ],
    2,
    TableRule::Pick(PickRule {
        record: "sale",
        order: &[
            AllPresent(&["street", "area"]),
            NonEmpty("street"),
            Ascending("street"),
            Ascending("area"),
        ],
        state: None,
        explanation: "The record with most values counts.",
    }),
    Distribution::All,
);

/// Each row is only a key.
static DAYS: TableSchema = table(
    "days",
    &[column("sold_on", Timestamp, Field("sold_on"))],
    1,
    TableRule::Calendar,
    Distribution::All,
);

/// The order has a descending column and one that may be null.
static PRICES: TableSchema = table(
    "prices",
    &[
        column("product", Varchar(9), Field("product")),
        column("edition", SmallInt, Field("edition")),
        column("valid_from", Timestamp, Field("valid_from")).or_null(),
        column("price_code", Varchar(9), Field("price_code")),
    ],
    1,
    TableRule::Pick(PickRule {
        record: "price",
        order: &[
            Descending("edition"),
            Ascending("valid_from"),
            Ascending("price_code"),
        ],
        state: None,
        explanation: "The last edition counts.",
    }),
    Distribution::All,
);

static SALE_PRODUCTS: TableSchema = table(
    "sale_products",
    &[
        column("sale_id", BigInt, Hash(&["receipt"])),
        column("product", Varchar(9), Field("product")),
    ],
    0,
    TableRule::LookupKeys { of: "sales" },
    Distribution::Even,
);

static FILES: TableSchema = table(
    "files",
    &[
        column("record", Varchar(9), Engine(EngineValue::ObjectKind)),
        column("path", Varchar(9), Engine(EngineValue::ObjectName)),
        column("version", Varchar(9), Engine(EngineValue::ObjectVersion)),
        column("sales", BigInt, Engine(EngineValue::KeptRecords)),
        column("bad", BigInt, Engine(EngineValue::RejectedRecords)),
        column("bad_bytes", BigInt, Engine(EngineValue::RejectedBytes)),
    ],
    0,
    TableRule::SourceObjects,
    Distribution::All,
);

static LOADS: TableSchema = table(
    "loads",
    &[
        column("batch", Varchar(9), Engine(EngineValue::Run)),
        column("record", Varchar(9), Engine(EngineValue::ObjectKind)),
        column("path", Varchar(9), Engine(EngineValue::ObjectName)),
        column("version", Varchar(9), Engine(EngineValue::ObjectVersion)),
        column("sales", BigInt, Engine(EngineValue::KeptRecords)),
        column("bad", BigInt, Engine(EngineValue::RejectedRecords)),
        column("bad_bytes", BigInt, Engine(EngineValue::RejectedBytes)),
        column("finished_at", Timestamp, Engine(EngineValue::LoadedAt)),
        column("finished_by", Varchar(9), Engine(EngineValue::LoadedBy)),
        column("seconds", Double, Engine(EngineValue::LoadSeconds)),
    ],
    0,
    TableRule::LoadHistory,
    Distribution::All,
);

const fn column(name: &'static str, ty: ColumnType, source: ValueSource) -> ColumnSchema {
    ColumnSchema {
        added: None,
        name,
        ty,
        nullable: false,
        source,
        description: "",
    }
}

const fn table(
    name: &'static str,
    columns: &'static [ColumnSchema],
    key_len: usize,
    rule: TableRule,
    distribution: Distribution,
) -> TableSchema {
    TableSchema {
        name,
        former_names: &[],
        dir: name,
        description: "",
        columns,
        key_len,
        references: &[],
        rule,
        redshift: RedshiftLayout {
            distribution,
            sort_key: columns[0].name,
            reason: "",
        },
    }
}
