//! Reads numbers that a cast may not understand, or fails at: numbers with exponents, of any length and size.
//!
//! Everything is decided on the decimal text. A number is the sign, then 0.SIGNIFICANT times ten to the power of MAGNITUDE,
//! where the first and the last significant digits are not zero; zero has no significant digits. A cast sees only texts that
//! it can convert, also if the branches of a CASE are evaluated before its conditions.

use super::double_limits::{overflow_limit, underflow_limit};
use super::record_tables::{number_fields, numbers_table, unusual_table};
use crate::model::{RecordSchema, staging_column_name};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::generator::temp_table::create_temp_table;
use crate::warehouse::sql::statement::Statement;

/// The grammar of a number in JSON.
const NUMBER: &str = "'^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$'";

/// The length of the pieces of a literal.
const PIECE: usize = 100;

/// The number of significant digits that can matter: no two numbers with equal ones, and further digits that are not all
/// zero, are on different sides of a point halfway between two doubles, which has at most 767 digits.
const MAX_DIGITS: usize = 800;

/// Returns the text of a value if it is a number of JSON, else null.
pub(super) fn number_text(value: &str) -> String {
    format!("CASE WHEN {value} ~ {NUMBER} THEN {value} END")
}

/// Returns the statements that create the tables of the numbers of unusual records.
pub(super) fn number_statements(record: &RecordSchema) -> Vec<Statement> {
    let texts: Vec<String> = number_fields(record)
        .map(|field| {
            let column = staging_column_name(field.key);
            let table = unusual_table(record);
            format!(
                "SELECT {column} AS number_text FROM {table}\n            WHERE {column} ~ {NUMBER}"
            )
        })
        .collect();
    if texts.is_empty() {
        return Vec::new();
    }
    let parts = format!("{}_number_parts", record.name);
    let mut statements = create_temp_table(Dialect::Redshift, &parts, &number_parts_query(&texts));
    statements[0].comment = "The numbers of the unusual records, as a sign, significant digits and a power of ten: 0.SIGNIFICANT times \
                             ten to the power of magnitude. Zero has no significant digits. An exponent of more than eight \
                             digits is as good as 99999999, because no text has as many digits."
        .to_owned();
    let values = create_temp_table(
        Dialect::Redshift,
        &numbers_table(record),
        &number_values_query(&parts),
    );
    statements.extend(values);
    statements[1].comment = "The values of the numbers. integer_value is null if a number is not a 64-bit integer, and double_value if it \
                             is too large for a double. The long literals are the smallest number that is rounded to infinity \
                             (2^1024 - 2^970) and the largest that is rounded to zero (2^-1075). Numbers with more than 800 \
                             significant digits have a 1 in place of the others, which does not change how they are rounded."
        .to_owned();
    statements
}

fn number_parts_query(texts: &[String]) -> String {
    let texts = texts.join("\n            UNION\n            ");
    format!(
        "SELECT
    number_text,
    CASE WHEN LEFT(number_text, 1) = '-' THEN '-' ELSE '' END AS sign,
    RTRIM(LTRIM(whole || fraction, '0'), '0') AS significant,
    exponent + LENGTH(whole) - (LENGTH(whole || fraction) - LENGTH(LTRIM(whole || fraction, '0'))) AS magnitude
FROM (
    SELECT
        number_text,
        SPLIT_PART(mantissa, '.', 1) AS whole,
        SPLIT_PART(mantissa, '.', 2) AS fraction,
        CASE WHEN LEFT(exponent_text, 1) = '-' THEN -1 ELSE 1 END
        * CAST(
            CASE
                WHEN LENGTH(LTRIM(exponent_text, '+-0')) = 0 THEN '0'
                WHEN LENGTH(LTRIM(exponent_text, '+-0')) > 8 THEN '99999999'
                ELSE LTRIM(exponent_text, '+-0')
            END AS INTEGER
        ) AS exponent
    FROM (
        SELECT
            number_text,
            LTRIM(SPLIT_PART(LOWER(number_text), 'e', 1), '-') AS mantissa,
            SPLIT_PART(LOWER(number_text), 'e', 2) AS exponent_text
        FROM (
            {texts}
        ) AS texts
    ) AS halves
) AS parts"
    )
}

fn number_values_query(parts: &str) -> String {
    let (overflow, underflow) = (overflow_limit(), underflow_limit());
    let overflow_digits = long_literal(&overflow.digits, 20);
    let underflow_digits = long_literal(&underflow.digits, 20);
    let (overflow_power, underflow_power) = (overflow.power, underflow.power);
    let (min, max) = (i64::MIN.to_string(), i64::MAX.to_string());
    let min = min.trim_start_matches('-');
    format!(
        "SELECT
    number_text,
    CASE WHEN LENGTH(significant) <= magnitude OR LENGTH(significant) = 0 THEN 1 ELSE 0 END AS is_integral,
    CAST(
        CASE
            WHEN LENGTH(significant) = 0 THEN '0'
            WHEN LENGTH(significant) > magnitude OR magnitude > 19 THEN NULL
            WHEN
                magnitude = 19
                AND RPAD(significant, 19, '0') > CASE WHEN sign = '-' THEN '{min}' ELSE '{max}' END
                THEN NULL
            -- The bounds matter only where another branch is taken.
            ELSE sign || RPAD(significant, LEAST(GREATEST(magnitude, 1), 19), '0')
        END AS BIGINT
    ) AS integer_value,
    CAST(
        CASE
            WHEN LENGTH(significant) = 0 OR magnitude < {underflow_power} THEN '0'
            WHEN
                magnitude = {underflow_power}
                AND significant <= (
                    {underflow_digits}
                )
                THEN '0'
            WHEN magnitude > {overflow_power} THEN NULL
            WHEN
                magnitude = {overflow_power}
                AND significant >= (
                    {overflow_digits}
                )
                THEN NULL
            WHEN LENGTH(significant) > {MAX_DIGITS}
                THEN sign || LEFT(significant, {MAX_DIGITS}) || '1e' || CAST(magnitude - {one_more} AS VARCHAR(12))
            ELSE sign || significant || 'e' || CAST(magnitude - LENGTH(significant) AS VARCHAR(12))
        END AS DOUBLE PRECISION
    ) AS double_value
FROM {parts}",
        one_more = MAX_DIGITS + 1,
    )
}

/// Returns a literal in several lines.
fn long_literal(text: &str, indent: usize) -> String {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(PIECE.min(rest.len()));
        pieces.push(format!("'{piece}'"));
        rest = after;
    }
    pieces.join(&format!("\n{}|| ", " ".repeat(indent)))
}
