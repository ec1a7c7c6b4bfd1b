//! Finds what is wrong with the values of a raw record, for the same reasons and with the same words as the decoder.
//!
//! A problem is a text: the place of its reason among all reasons and that of its field in the record, then reason, key and
//! detail. So the smallest problem of a record is the one that it is rejected for.

use super::record_tables::text_limit;
use crate::decode::builders::MISSING;
use crate::decode::reject::RejectReason;
use crate::decode::span_value::{BOOLEAN, NESTED, NOT_A_NUMBER, NOT_INT32, OUT_OF_RANGE, TOO_LONG};
use crate::decode::value::{NOT_DOUBLE, NOT_INT64, NOT_INTEGRAL, ValueError};
use crate::model::{FieldType, RecordField, staging_column_name};

/// The separator of the parts of a problem.
const SEPARATOR: char = '|';

/// The columns of a rejected record that say why it is rejected, in the order of the parts of a problem.
pub(super) const REJECT_COLUMNS: [&str; 3] = ["reject_reason", "reject_key", "reject_detail"];

/// A field of a record, and what its problems are found in.
#[derive(Debug, Clone, Copy)]
pub(super) struct FieldProblems<'a> {
    /// The field.
    pub field: &'static RecordField,
    /// Its position in the record.
    pub position: usize,
    /// The alias of the raw record.
    pub record: &'a str,
    /// The alias of the number that the field has, of a row of nulls if it has none.
    pub number: &'a str,
}

impl FieldProblems<'_> {
    /// Returns the expression of the first problem of the field, which is null if there is none. The lines after the first
    /// are indented by at least `indent` blanks.
    pub(super) fn expression(&self, indent: usize) -> Option<String> {
        let cases: Vec<_> = match self.field.ty.is_text() {
            true => self.text_cases(),
            false => self.number_cases(),
        };
        let pad = " ".repeat(indent);
        let lines: String = cases
            .iter()
            .map(|(condition, problem)| format!("\n{pad}    WHEN {condition} THEN {problem}"))
            .collect();
        (!cases.is_empty()).then(|| format!("CASE{lines}\n{pad}END"))
    }

    /// Returns the value in the raw record.
    fn value(&self) -> String {
        format!("{}.{}", self.record, staging_column_name(self.field.key))
    }

    /// Returns the problems of a text, each after its condition.
    fn text_cases(&self) -> Vec<(String, String)> {
        let value = self.value();
        let is_missing = format!("{value} IS NULL");
        let missing = self.field.required.then_some((is_missing, MISSING));
        let limit = text_limit(self.field.ty);
        let too_long = limit.map(|limit| (format!("OCTET_LENGTH({value}) > {limit}"), TOO_LONG));
        let cases = missing.into_iter().chain(too_long);
        cases
            .map(|(condition, error)| (condition, self.problem(error)))
            .collect()
    }

    /// Returns the problems of a number, each after its condition. The first condition that is met counts.
    fn number_cases(&self) -> Vec<(String, String)> {
        let (value, number) = (self.value(), self.number);
        // An empty text is null here.
        let is_null = format!("COALESCE(OCTET_LENGTH({value}), 0) = 0");
        let null = match self.field.required {
            true => self.problem(MISSING),
            false => "NULL".to_owned(),
        };
        let integer = format!("{number}.integer_value");
        let is_fraction = (format!("{number}.is_integral = 0"), NOT_INTEGRAL);
        let is_large = (format!("{integer} IS NULL"), NOT_INT64);
        let outside = |min: i64, max: i64| format!("{integer} NOT BETWEEN {min} AND {max}");
        let of_type = match self.field.ty {
            FieldType::Double => vec![(format!("{number}.double_value IS NULL"), NOT_DOUBLE)],
            FieldType::Int32 => {
                let bounds = outside(i32::MIN.into(), i32::MAX.into());
                vec![is_fraction, is_large, (bounds, NOT_INT32)]
            }
            FieldType::Int64 { min, max } => {
                vec![is_fraction, is_large, (outside(min, max), OUT_OF_RANGE)]
            }
            FieldType::Text { .. } | FieldType::DictText { .. } => Vec::new(),
        };
        let errors = [
            (format!("{value} IN ('true', 'false')"), BOOLEAN),
            (format!("LEFT({value}, 1) IN ('{{', '[')"), NESTED),
            (format!("{number}.number_text IS NULL"), NOT_A_NUMBER),
        ];
        let errors = errors.into_iter().chain(of_type);
        let errors = errors.map(|(condition, error)| (condition, self.problem(error)));
        [(is_null, null)].into_iter().chain(errors).collect()
    }

    /// Returns a problem as a literal.
    #[expect(clippy::expect_used, reason = "all reasons are listed")]
    fn problem(&self, error: ValueError) -> String {
        let mut reasons = RejectReason::ALL.iter();
        let place = reasons.position(|reason| *reason == error.reason);
        let place = place.expect("a reason is one of all reasons");
        let parts = [
            format!("{place}{:03}", self.position),
            error.reason.name().to_owned(),
            self.field.key.to_owned(),
            error.message.to_owned(),
        ];
        format!("'{}'", parts.join(&SEPARATOR.to_string()))
    }
}

/// Returns the parts of a problem as columns: reason, key and detail.
pub(super) fn problem_parts() -> Vec<String> {
    // The first part is the place.
    let parts = (2..).zip(REJECT_COLUMNS);
    parts
        .map(|(part, name)| format!("SPLIT_PART(problem, '{SEPARATOR}', {part}) AS {name}"))
        .collect()
}
