//! Separates valid records from rejected ones.
//!
//! Nearly all records have only plain numbers and texts that fit. They are recognized first, and cast. The others, in a
//! table of their own, are looked at closely.

use super::filter::filter_condition;
use super::numbers::{number_statements, number_text};
use super::problems::{FieldProblems, REJECT_COLUMNS, problem_parts};
use super::record_tables::{
    HashColumn, checked_table, field_column_type, field_of, has_value_column, hash_columns,
    number_column, number_fields, numbers_table, rejected_table, selected_table, text_limit,
    time_column, time_keys, unusual_table, valid_table,
};
use super::record_values::{case_when, hash_expression, timestamp_expression};
use crate::model::{FieldType, Model, RecordField, RecordSchema, staging_column_name};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::generator::clause::{select, select_groups};
use crate::warehouse::sql::generator::column::type_name;
use crate::warehouse::sql::generator::list::wrapped_list;
use crate::warehouse::sql::generator::temp_table::create_temp_table;
use crate::warehouse::sql::statement::{Check, Effect, Statement};

/// An integer, which fits in 64 bits if it has at most eighteen characters. A fraction of zeros is cut off.
const PLAIN_INTEGER: &str = "'^-?(0|[1-9][0-9]*)([.]0+)?$'";

/// A number without an exponent, which neither overflows nor becomes zero if it has at most 300 characters.
const PLAIN_NUMBER: &str = "'^-?(0|[1-9][0-9]*)([.][0-9]+)?$'";

/// Returns the statements that create the tables of valid and of rejected records of each kind.
pub(crate) fn check_statements(model: &Model) -> Vec<Statement> {
    let records = model.records.iter();
    records
        .flat_map(|record| record_check_statements(model, record))
        .collect()
}

/// Returns the statements that create the tables of valid and of rejected records of one kind.
pub(crate) fn record_check_statements(
    model: &Model,
    record: &'static RecordSchema,
) -> Vec<Statement> {
    let create = |name: String, query: String, comment: &str| {
        let mut statements = create_temp_table(Dialect::Redshift, &name, &query);
        statements[0].comment = comment.to_owned();
        statements
    };
    let unusual = format!(
        "{}\nFROM {}\nWHERE\n    CASE\n        WHEN\n            {}\n            THEN 'usual'\n        ELSE \
         'unusual'\n    END = 'unusual'",
        select(&raw_columns(record, None)),
        selected_table(record),
        usual_conditions(record).join("\n            AND "),
    );
    let valid = format!(
        "{}\nFROM {}\nWHERE\n    {}",
        valid_select(model, record),
        selected_table(record),
        usual_conditions(record).join("\n    AND "),
    );
    let rejected = format!(
        "{}\nFROM {}\nWHERE problem IS NOT NULL",
        select_groups(&[problem_parts(), raw_columns(record, None)], 0),
        checked_table(record),
    );
    let insert = format!(
        "INSERT INTO {}\n{}\nFROM {}\nWHERE problem IS NULL",
        valid_table(record),
        valid_select(model, record),
        checked_table(record),
    );
    [
        create(
            selected_table(record),
            selected_query(record),
            "The records that the filter selects, with their numbers as far as these are plain: a number with an exponent or \
             many digits is null here, and so is text that is not a number. Only plain digits are cast. 0.0 is added because \
             -0.0 is 0.0 in all tables.",
        ),
        create(
            valid_table(record),
            valid,
            "The valid records, without those that need a closer look.",
        ),
        create(
            unusual_table(record),
            unusual,
            "The records that need a closer look: they may be valid nevertheless.",
        ),
        number_statements(record),
        create(
            checked_table(record),
            checked_query(record),
            "The first problem of each unusual record; null if it is valid. A problem begins with the place of its reason and \
             the number of its field, so that the smallest is the one that a record is rejected for.",
        ),
        create(
            rejected_table(record),
            rejected,
            "The rejected records.",
        ),
        vec![
            Statement::new(Effect::Temporary, insert)
                .with_comment("Unusual records without a problem are valid."),
        ],
    ]
    .concat()
}

/// Returns the query for the rejected records of a kind: reason, key, detail and all columns of the raw record.
pub(crate) fn rejected_records_statement(record: &'static RecordSchema) -> Statement {
    let reject = REJECT_COLUMNS.map(str::to_owned);
    let columns = [reject.to_vec(), raw_columns(record, None)].concat();
    let sql = format!("{}\nFROM {}", select(&columns), rejected_table(record));
    Statement::new(Effect::Check(Check::RejectedRecords(record)), sql)
}

/// Returns the columns of raw records, by the alias of their table.
fn raw_columns(record: &RecordSchema, alias: Option<&str>) -> Vec<String> {
    let prefix = alias.map_or_else(String::new, |alias| format!("{alias}."));
    let columns = record.staging_columns().into_iter();
    columns
        .map(|column| format!("{prefix}{}", column.name))
        .collect()
}

/// Returns the query for the records that the filter selects.
fn selected_query(record: &RecordSchema) -> String {
    let numbers = number_fields(record).map(plain_number);
    let filter = filter_condition(record)
        .map_or_else(String::new, |condition| format!("\nWHERE {condition}"));
    let numbers: String = numbers.map(|number| format!(",\n    {number}")).collect();
    format!(
        "SELECT\n    {}{numbers}\nFROM {}{filter}",
        wrapped_list(raw_columns(record, None), 4),
        record.staging_table()
    )
}

/// Returns the column of the number of a field, if it is plain.
fn plain_number(field: &RecordField) -> String {
    let value = staging_column_name(field.key);
    let fits = |length: usize| format!("LENGTH({value}) <= {length}");
    let whole = format!("SPLIT_PART({value}, '.', 1)");
    let (pattern, fits, text) = match field.ty {
        FieldType::Int32 => (PLAIN_INTEGER, fits_int32(&value), whole),
        FieldType::Int64 { .. } => (PLAIN_INTEGER, fits(18), whole),
        FieldType::Double => (PLAIN_NUMBER, fits(300), value.clone()),
        FieldType::Text { .. } | FieldType::DictText { .. } => {
            unreachable!("a text is not a number")
        }
    };
    let conditions = [format!("{value} ~ {pattern}"), fits];
    let plain = case_when(&conditions, &text, 8);
    typed_number(field, &plain)
}

/// Returns a condition under which a plain integer fits in 32 bits. Ten digits are compared as texts, which have the order
/// of the numbers. The other plain integers of ten characters, such as -123456789 and 12345678.0, fit in any case, and those
/// of them that are larger as texts get a closer look.
fn fits_int32(value: &str) -> String {
    format!(
        "(LENGTH({value}) <= 9 OR (LENGTH({value}) = 10 AND {value} <= '{}'))",
        i32::MAX
    )
}

/// Returns the column of the number of a field, from its text or value.
fn typed_number(field: &RecordField, value: &str) -> String {
    let ty = type_name(field_column_type(field.ty), Dialect::Redshift);
    // There is no negative zero in a table.
    let sum = match field.ty {
        FieldType::Double => " + 0.0",
        FieldType::Int32
        | FieldType::Int64 { .. }
        | FieldType::Text { .. }
        | FieldType::DictText { .. } => "",
    };
    let cast = match value.contains('\n') {
        true => format!("CAST(\n        {value} AS {ty}\n    )"),
        false => format!("CAST({value} AS {ty})"),
    };
    format!("{cast}{sum} AS {}", number_column(field))
}

/// Returns the conditions that a selected record is valid without a closer look.
fn usual_conditions(record: &RecordSchema) -> Vec<String> {
    let condition = |field: &RecordField| {
        let value = staging_column_name(field.key);
        let number = number_column(field);
        match (field.ty, field.required) {
            (FieldType::Text { .. } | FieldType::DictText { .. }, required) => {
                let length = match required {
                    true => format!("OCTET_LENGTH({value})"),
                    false => format!("COALESCE(OCTET_LENGTH({value}), 0)"),
                };
                match (text_limit(field.ty), required) {
                    (Some(limit), _) => Some(format!("{length} <= {limit}")),
                    (None, true) => Some(format!("{value} IS NOT NULL")),
                    (None, false) => None,
                }
            }
            (FieldType::Int64 { min, max }, true) => {
                Some(format!("{number} BETWEEN {min} AND {max}"))
            }
            (FieldType::Int64 { min, max }, false) => Some(format!(
                "({value} IS NULL OR {number} BETWEEN {min} AND {max})"
            )),
            (FieldType::Int32 | FieldType::Double, true) => Some(format!("{number} IS NOT NULL")),
            (FieldType::Int32 | FieldType::Double, false) => {
                Some(format!("({value} IS NULL OR {number} IS NOT NULL)"))
            }
        }
    };
    let conditions: Vec<_> = record.fields.iter().filter_map(condition).collect();
    match conditions.is_empty() {
        true => vec!["1 = 1".to_owned()],
        false => conditions,
    }
}

/// Returns the beginning of the query for valid records: the fields that the tables have, with their types, the times and
/// the hashes.
fn valid_select(model: &Model, record: &'static RecordSchema) -> String {
    let (times, hashes) = (time_keys(model, record), hash_columns(model, record));
    let field = |field: &RecordField| {
        let name = staging_column_name(field.key);
        match text_limit(field.ty) {
            Some(limit) => format!("CAST({name} AS VARCHAR({limit})) AS {name}"),
            None if field.ty.is_text() => name,
            None => format!("{} AS {name}", number_column(field)),
        }
    };
    let source = |key: &str| {
        let field = field_of(record, key);
        match field.ty.is_text() {
            true => staging_column_name(key),
            false => number_column(field),
        }
    };
    let hash = |hash: &HashColumn| {
        let expression = hash_expression(record, hash.keys, source);
        format!("{expression} AS {}", hash.name)
    };
    let time = |key: &&'static str| {
        let expression = timestamp_expression(&source(key));
        format!("{expression} AS {}", time_column(key))
    };
    let fields = record.fields.iter();
    let fields = fields.filter(|field| has_value_column(model, record, field.key));
    let fields = fields.map(field);
    let derived = times.iter().map(time).chain(hashes.iter().map(hash));
    let columns: Vec<_> = fields.chain(derived).collect();
    format!("SELECT\n    {}", columns.join(",\n    "))
}

/// Returns the query for the problems of unusual records.
fn checked_query(record: &RecordSchema) -> String {
    let alias = |field: &RecordField| format!("n_{}", staging_column_name(field.key));
    let number = |field: &'static RecordField| {
        let alias = alias(field);
        let value = match field.ty {
            FieldType::Int32 => {
                let value = format!("{alias}.integer_value");
                let fits = format!("{value} BETWEEN {} AND {}", i32::MIN, i32::MAX);
                case_when(&[fits], &value, 8)
            }
            FieldType::Int64 { .. } => format!("{alias}.integer_value"),
            FieldType::Double => format!("{alias}.double_value"),
            FieldType::Text { .. } | FieldType::DictText { .. } => {
                unreachable!("a text is not a number")
            }
        };
        format!(",\n    {}", typed_number(field, &value))
    };
    let join = |field: &'static RecordField| {
        let alias = alias(field);
        let value = format!("u.{}", staging_column_name(field.key));
        format!(
            "\nLEFT JOIN {} {alias}\n    ON {alias}.number_text = {}",
            numbers_table(record),
            number_text(&value)
        )
    };
    let problem = |(position, field): (usize, &'static RecordField)| {
        let problems = FieldProblems {
            field,
            position,
            record: "u",
            number: &alias(field),
        };
        problems.expression(8)
    };
    let problems: Vec<_> = record
        .fields
        .iter()
        .enumerate()
        .filter_map(problem)
        .collect();
    let problem = match &problems[..] {
        [] => "CAST(NULL AS VARCHAR(1))".to_owned(),
        [one] => one.clone(),
        several => format!("LEAST(\n        {}\n    )", several.join(",\n        ")),
    };
    format!(
        "SELECT\n    {}{},\n    {problem} AS problem\nFROM {} u{}",
        wrapped_list(raw_columns(record, Some("u")), 4),
        number_fields(record).map(number).collect::<String>(),
        unusual_table(record),
        number_fields(record).map(join).collect::<String>(),
    )
}
