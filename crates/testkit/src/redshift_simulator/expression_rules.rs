//! Expressions of PostgreSQL that Redshift does not have, or for which it demands more: functions, casts, windows,
//! parts of dates and regular expressions.

use super::lexer::{SqlStatement, SqlToken, SqlTokenKind};
use super::protocol::SqlError;

/// Rejects expressions that Redshift does not support.
pub fn check_expressions(statement: &SqlStatement) -> Option<SqlError> {
    (0..statement.tokens.len()).find_map(|at| {
        let checks = [
            missing_function,
            changed_function,
            cast_type,
            date_part,
            window,
            regular_expression,
            concatenation_beside_comparison,
        ];
        checks.iter().find_map(|check| check(statement, at))
    })
}

/// Returns whether the word at a position is the name of a called function.
fn is_call(statement: &SqlStatement, at: usize) -> bool {
    statement.tokens[at].kind == SqlTokenKind::Word && statement.has_words_at(at + 1, &["("])
}

/// Returns the positions of the tokens that are directly within the parentheses that open at a position, and that of
/// the closing one.
fn group(statement: &SqlStatement, open: usize) -> (Vec<usize>, usize) {
    let (mut inner, mut depth) = (Vec::new(), 0);
    for (at, token) in statement.tokens.iter().enumerate().skip(open) {
        depth -= i32::from(token.is(")"));
        if depth == 0 && at > open {
            return (inner, at);
        }
        if depth == 1 {
            inner.push(at);
        }
        depth += i32::from(token.is("("));
    }
    (inner, statement.tokens.len())
}

/// Before PostgreSQL 9.5 these comparisons bound as tightly as `||`, from the left: `a || b <> c` was fine, but
/// `a <> b || c` was `(a <> b) || c` (release notes of PostgreSQL 9.5, "operator precedence"). Redshift has the older
/// grammar, so a concatenation beside them must be in parentheses.
fn concatenation_beside_comparison(statement: &SqlStatement, at: usize) -> Option<SqlError> {
    let comparison = &statement.tokens[at];
    if !["<>", "<=", ">=", "!="]
        .iter()
        .any(|word| comparison.is(word))
    {
        return None;
    }
    let ends_operand = |token: &SqlToken| {
        let words = [
            ",", "=", "<", ">", "and", "or", "not", "where", "on", "when", "then", "else", "end",
            "select", "having", "from", "order", "group", "union", "between",
        ];
        words.iter().any(|word| token.is(word))
    };
    let after = statement.tokens[at + 1..].iter();
    let before = statement.tokens[..at].iter().rev();
    let is_beside = has_concatenation(after, ["(", ")"], ends_operand)
        || has_concatenation(before, [")", "("], ends_operand);
    is_beside.then(|| {
        SqlError::unsupported(format!(
            "a concatenation beside {} must be in parentheses",
            comparison.text
        ))
    })
}

/// Returns true if the tokens of an operand have `||`, which is two tokens, outside of parentheses.
fn has_concatenation<'a>(
    tokens: impl Iterator<Item = &'a SqlToken>,
    [open, close]: [&str; 2],
    ends_operand: impl Fn(&SqlToken) -> bool,
) -> bool {
    let mut depth = 0;
    for token in tokens {
        if token.is(open) {
            depth += 1;
        } else if token.is(close) {
            if depth == 0 {
                return false;
            }
            depth -= 1;
        } else if depth == 0 && ends_operand(token) {
            return false;
        } else if depth == 0 && token.is("|") {
            return true;
        }
    }
    false
}

/// Redshift is based on PostgreSQL 8 and does not have these functions.
fn missing_function(statement: &SqlStatement, at: usize) -> Option<SqlError> {
    if !is_call(statement, at) {
        return None;
    }
    let functions = [
        "array_agg",
        "clock_timestamp",
        "concat_ws",
        "convert_from",
        "convert_to",
        "date_bin",
        "div",
        "encode",
        "every",
        "format",
        "gcd",
        "gen_random_uuid",
        "get_byte",
        "hashtext",
        "hashtextextended",
        "isfinite",
        "json_agg",
        "json_array_elements",
        "json_build_object",
        "json_each",
        "json_object",
        "json_object_keys",
        "json_populate_record",
        "json_to_record",
        "justify_hours",
        "lcm",
        "nextval",
        "num_nonnulls",
        "num_nulls",
        "pg_advisory_lock",
        "pg_advisory_xact_lock",
        "pg_table_size",
        "pg_total_relation_size",
        "pg_try_advisory_lock",
        "row_to_json",
        "set_byte",
        "set_config",
        "sha256",
        "starts_with",
        "statement_timestamp",
        "string_agg",
        "string_to_table",
        "to_json",
        "to_regclass",
        "transaction_timestamp",
        "trim_scale",
        "width_bucket",
    ];
    let prefixes = [
        "make_",
        "regexp_match",
        "regexp_split_to_",
        "jsonb_",
        "to_jsonb",
    ];
    let name = statement.tokens[at].text.as_str();
    let is_missing =
        functions.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix));
    is_missing.then(|| {
        let message = format!("function {name}() does not exist");
        SqlError::new("42883", message)
    })
}

/// Redshift has these functions with other arguments or another result.
fn changed_function(statement: &SqlStatement, at: usize) -> Option<SqlError> {
    if !is_call(statement, at) {
        return None;
    }
    let (inner, _) = group(statement, at + 1);
    let commas = inner.iter().filter(|at| statement.tokens[**at].is(","));
    match (statement.tokens[at].text.as_str(), commas.count()) {
        ("to_timestamp", 0) => {
            let message = "function to_timestamp(double precision) does not exist";
            Some(SqlError::new("42883", message))
        }
        // It is null if an argument is null, where that of PostgreSQL ignores nulls.
        ("concat", _) => Some(SqlError::unsupported(
            "the simulator does not support CONCAT, which treats nulls as || does",
        )),
        _ => None,
    }
}

/// Types of PostgreSQL that Redshift does not have.
fn cast_type(statement: &SqlStatement, at: usize) -> Option<SqlError> {
    let known = [
        "bigint",
        "bool",
        "boolean",
        "bpchar",
        "char",
        "character",
        "date",
        "decimal",
        "double",
        "float",
        "float4",
        "float8",
        "int",
        "int2",
        "int4",
        "int8",
        "integer",
        "interval",
        "nchar",
        "numeric",
        "nvarchar",
        "oid",
        "real",
        "regclass",
        "smallint",
        "super",
        "text",
        "time",
        "timestamp",
        "timestamptz",
        "timetz",
        "varbyte",
        "varchar",
    ];
    let ty = if statement.has_words_at(at, &["::"]) {
        at + 1
    } else if statement.has_words_at(at, &["cast", "("]) {
        let (inner, _) = group(statement, at + 1);
        let last_as = inner
            .iter()
            .rev()
            .find(|at| statement.tokens[**at].is("as"));
        last_as? + 1
    } else {
        return None;
    };
    let token = statement.tokens.get(ty)?;
    let is_known = token.kind == SqlTokenKind::Word && known.contains(&token.text.as_str());
    (!is_known).then(|| {
        let message = format!("type \"{}\" does not exist", token.text);
        SqlError::new("42704", message)
    })
}

/// Parts of dates that only PostgreSQL has.
fn date_part(statement: &SqlStatement, at: usize) -> Option<SqlError> {
    let is_part = |token: &SqlToken| {
        let only_postgres = ["isodow", "isoyear", "julian"];
        only_postgres.contains(&token.text.to_lowercase().as_str())
    };
    let functions = ["extract", "date_part", "date_trunc"];
    let called = functions
        .iter()
        .any(|name| statement.has_words_at(at, &[name, "("]));
    let part = statement.tokens.get(at + 2).filter(|token| is_part(token));
    called.then_some(part?).map(|token| {
        let message = format!("timestamp units \"{}\" not recognized", token.text);
        SqlError::new("22023", message)
    })
}

/// Redshift demands a frame for aggregates over an order, and knows only frames of rows. There are no named windows.
fn window(statement: &SqlStatement, at: usize) -> Option<SqlError> {
    let close = at.checked_sub(1)?;
    if !statement.has_words_at(close, &[")", "over"]) {
        return None;
    }
    let open = statement.tokens.get(at + 1)?;
    if !open.is("(") {
        return Some(SqlError::syntax(&open.text));
    }
    let (inner, _) = group(statement, at + 1);
    let find = |word: &str| inner.iter().find(|at| statement.tokens[**at].is(word));
    for word in ["range", "groups", "exclude"] {
        if find(word).is_some() {
            return Some(SqlError::syntax(word));
        }
    }
    let demands_frame = [
        "avg",
        "bool_and",
        "bool_or",
        "count",
        "first_value",
        "last_value",
        "max",
        "min",
        "nth_value",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "sum",
        "var_pop",
        "var_samp",
        "variance",
    ];
    let function = called_function(statement, close)?;
    let has_frame = find("rows").is_some();
    (demands_frame.contains(&function) && find("order").is_some() && !has_frame).then(|| {
        SqlError::unsupported(
            "Aggregate window functions with an ORDER BY clause require a frame clause",
        )
    })
}

/// Returns the name of the function whose arguments end at a position.
fn called_function(statement: &SqlStatement, close: usize) -> Option<&str> {
    let mut depth = 0;
    for at in (0..=close).rev() {
        let token = &statement.tokens[at];
        depth += i32::from(token.is(")")) - i32::from(token.is("("));
        if depth == 0 {
            return Some(statement.tokens.get(at.checked_sub(1)?)?.text.as_str());
        }
    }
    None
}

/// `~` has no variant that ignores case, and its expressions have no groups that begin with `(?`.
fn regular_expression(statement: &SqlStatement, at: usize) -> Option<SqlError> {
    if !statement.has_words_at(at, &["~"]) {
        return None;
    }
    let next = statement.tokens.get(at + 1)?;
    if next.is("*") {
        return Some(SqlError::syntax("~*"));
    }
    (next.kind == SqlTokenKind::StringLiteral && next.text.contains("(?")).then(|| {
        let message = "The pattern must be a valid regular expression of POSIX";
        SqlError::new("2201B", message)
    })
}
