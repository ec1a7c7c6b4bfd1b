//! The model of the tests.

use crate::model::CalendarPart::Year;
use crate::model::ColumnType::{BigInt, Double, Integer, SmallInt, Timestamp, Varchar};
use crate::model::OrderTerm::{AllPresent, Ascending, Descending, NonEmpty};
use crate::model::ValueSource::{CalendarPart, Engine, Field, Hash};
use crate::model::{
    ColumnSchema, ColumnType, Distribution, EngineValue, FactRule, FieldType, LookupRule, Model,
    PickRule, RecordField, RecordSchema, RedshiftLayout, TableRule, TableSchema, ValueSource,
};

/// Sales in branches, at the prices of a list.
pub(super) static SHOPS: Model = Model {
    name: "shops",
    records: &[&SALE, &PRICE],
    star: &[&SALES, &BRANCHES, &DAYS],
    merge_state: &[&FILES, &BRANCH_SALES, &PRICES, &SALE_PRODUCTS],
    load_history: &LOADS,
};

static SALE: RecordSchema = record(
    "sale",
    &[
        field("receipt", INT64, true),
        field("at", INT64, true),
        field("country", FieldType::DictText { max_bytes: 9 }, true),
        field("branch", FieldType::Int32, true),
        field("street", FieldType::Text { max_bytes: 9 }, false),
        field("floor", FieldType::Int32, false),
        field("area", FieldType::Double, false),
        field("product", FieldType::Text { max_bytes: 9 }, false),
        field("size", FieldType::Int32, false),
    ],
);

static PRICE: RecordSchema = record(
    "price",
    &[
        field("product", FieldType::Text { max_bytes: 9 }, true),
        field("size", FieldType::Int32, true),
        field("edition", FieldType::Int32, true),
        field("code", FieldType::Text { max_bytes: 9 }, true),
    ],
);

const INT64: FieldType = FieldType::Int64 {
    min: -1_000_000,
    max: 1_000_000,
};

static SALES: TableSchema = table(
    "sales",
    &[
        column("sale_id", BigInt, Hash(&["receipt", "country", "branch"])),
        column("at", Timestamp, Field("at")),
        column("street", Varchar(9), Field("street")).or_null(),
        column("tariff", Varchar(9), ValueSource::Lookup("code")).or_null(),
        column("floor", Integer, Field("floor")).or_null(),
    ],
    1,
    TableRule::Fact(FactRule {
        record: "sale",
        order: &[
            Ascending("street"),
            Ascending("at"),
            Ascending("floor"),
            Ascending("product_key"),
            Ascending("size"),
        ],
        lookup: LookupRule {
            table: "prices",
            equal: &[("product", "product"), ("size", "size")],
            keys: "sale_products",
        },
        explanation: "",
    }),
);

/// The state has a column that the table lacks, and the order one that may be null.
static BRANCHES: TableSchema = table(
    "branches",
    &[
        column("country", Varchar(9), Field("country")),
        column("branch", Integer, Field("branch")),
        column("street", Varchar(9), Field("street")).or_null(),
        column("floor", Integer, Field("floor")).or_null(),
        column("area", Double, Field("area")).or_null(),
    ],
    2,
    TableRule::Pick(PickRule {
        record: "sale",
        order: &[
            AllPresent(&["floor", "area"]),
            NonEmpty("street"),
            Descending("receipt"),
            Ascending("floor"),
            Ascending("area"),
            Ascending("street"),
        ],
        state: Some("branch_sales"),
        explanation: "",
    }),
);

static BRANCH_SALES: TableSchema = table(
    "branch_sales",
    &[
        column("country", Varchar(9), Field("country")),
        column("branch", Integer, Field("branch")),
        column("receipt", BigInt, Field("receipt")),
    ],
    2,
    TableRule::PickState { of: "branches" },
);

static PRICES: TableSchema = table(
    "prices",
    &[
        column("product_key", BigInt, Hash(&["product"])),
        column("size", Integer, Field("size")),
        column("code", Varchar(9), Field("code")),
        column("edition", Integer, Field("edition")),
    ],
    2,
    TableRule::Pick(PickRule {
        record: "price",
        order: &[Descending("edition"), Ascending("code")],
        state: None,
        explanation: "",
    }),
);

static SALE_PRODUCTS: TableSchema = table(
    "sale_products",
    &[
        column("sale_id", BigInt, Hash(&["receipt", "country", "branch"])),
        column("product_key", BigInt, Hash(&["product"])),
        column("size", Integer, Field("size")),
    ],
    0,
    TableRule::LookupKeys { of: "sales" },
);

static DAYS: TableSchema = table(
    "days",
    &[
        column("at", Timestamp, Field("at")),
        column("year", SmallInt, CalendarPart("at", Year)),
    ],
    1,
    TableRule::Calendar,
);

const KIND: ColumnSchema = column("kind", Varchar(9), Engine(EngineValue::ObjectKind));
const FILE: ColumnSchema = column("file", Varchar(9), Engine(EngineValue::ObjectName));
const VERSION: ColumnSchema = column("version", Varchar(9), Engine(EngineValue::ObjectVersion));
const SALES_OF_FILE: ColumnSchema = column("sales", BigInt, Engine(EngineValue::KeptRecords));
const BAD: ColumnSchema = column("bad", BigInt, Engine(EngineValue::RejectedRecords));
const BAD_BYTES: ColumnSchema = column("bad_bytes", BigInt, Engine(EngineValue::RejectedBytes));

static FILES: TableSchema = table(
    "files",
    &[KIND, FILE, VERSION, SALES_OF_FILE, BAD, BAD_BYTES],
    0,
    TableRule::SourceObjects,
);

static LOADS: TableSchema = table(
    "loads",
    &[
        column("run", Varchar(9), Engine(EngineValue::Run)),
        KIND,
        FILE,
        VERSION,
        SALES_OF_FILE,
        BAD,
        BAD_BYTES,
        column("at", Timestamp, Engine(EngineValue::LoadedAt)),
        column("by", Varchar(9), Engine(EngineValue::LoadedBy)),
        column("seconds", Double, Engine(EngineValue::LoadSeconds)),
    ],
    0,
    TableRule::LoadHistory,
);

const fn field(key: &'static str, ty: FieldType, required: bool) -> RecordField {
    RecordField { key, ty, required }
}

const fn record(name: &'static str, fields: &'static [RecordField]) -> RecordSchema {
    RecordSchema {
        name,
        description: "",
        fields,
        filter: None,
        unused_keys: &[],
    }
}

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
            distribution: Distribution::All,
            sort_key: columns[0].name,
            reason: "",
        },
    }
}
