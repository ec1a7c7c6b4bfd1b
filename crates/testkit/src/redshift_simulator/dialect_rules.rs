//! Statements that Redshift rejects, and the translation of all others into those of PostgreSQL.

use std::ops::Range;

use super::expression_rules::check_expressions;
use super::lexer::{SqlStatement, SqlToken, SqlTokenKind};
use super::protocol::SqlError;

type DialectCheck = fn(&SqlStatement) -> Option<SqlError>;

/// Rejects statements that Redshift does not support, as far as the tokens show it.
pub fn check_supported(statement: &SqlStatement) -> Result<(), SqlError> {
    let rules: [DialectCheck; 15] = [
        copy_from_stdin,
        savepoints,
        unsupported_phrases,
        unsupported_relations,
        check_expressions,
        delete_alias,
        merge_form,
        values_lists,
        generate_series,
        collations,
        lock,
        truncate,
        settings,
        deferrable_transactions,
        unknown_statements,
    ];
    rules
        .iter()
        .find_map(|rule| rule(statement))
        .map_or(Ok(()), Err)
}

/// Returns whether a statement reads the load error views.
pub fn reads_load_errors(statement: &SqlStatement) -> bool {
    let views = ["stl_load_errors", "sys_load_error_detail", "svl_s3log"];
    views
        .iter()
        .any(|view| statement.find_words(&[view]).is_some())
}

/// Rejects statements that the simulator does not know: success would prove nothing about Redshift.
fn unknown_statements(statement: &SqlStatement) -> Option<SqlError> {
    let known: &[&[&str]] = &[
        &["select"],
        &["with"],
        &["("],
        &["insert"],
        &["update"],
        &["delete"],
        &["merge"],
        &["copy"],
        &["create", "table"],
        &["create", "temp"],
        &["create", "temporary"],
        &["create", "local"],
        &["create", "view"],
        &["create", "or", "replace", "view"],
        &["create", "schema"],
        &["drop", "table"],
        &["drop", "view"],
        &["drop", "schema"],
        &["alter", "table"],
        &["truncate"],
        &["begin"],
        &["start", "transaction"],
        &["commit"],
        &["end"],
        &["rollback"],
        &["abort"],
        &["savepoint"],
        &["release"],
        &["lock"],
        &["set"],
        &["reset"],
        &["show"],
        &["analyze"],
        &["vacuum"],
        &["explain"],
        &["grant"],
        &["revoke"],
        &["comment"],
    ];
    if known.iter().any(|words| statement.starts_with(words)) {
        return None;
    }
    if statement.find_words(&["index"]).is_some() {
        let message = "SQL command \"CREATE INDEX\" not supported on Redshift tables.";
        return Some(SqlError::unsupported(message));
    }
    Some(syntax_error_at(statement, 0))
}

fn copy_from_stdin(statement: &SqlStatement) -> Option<SqlError> {
    let words = ["stdin", "stdout"];
    let found = words
        .iter()
        .any(|word| statement.find_words(&[word]).is_some());
    (found && statement.starts_with(&["copy"])).then(|| {
        SqlError::unsupported("LOAD source is not supported. (Hint: only S3 or DynamoDB or EMR based load is allowed)")
    })
}

fn savepoints(statement: &SqlStatement) -> Option<SqlError> {
    let named = statement.starts_with(&["savepoint"]) || statement.starts_with(&["release"]);
    let back = statement.starts_with(&["rollback"]) && statement.find_words(&["to"]).is_some();
    (named || back).then(|| {
        let message = format!("SQL command \"{}\" not supported.", statement.sql);
        SqlError::unsupported(message)
    })
}

/// Rejects syntax of PostgreSQL that Redshift does not have.
fn unsupported_phrases(statement: &SqlStatement) -> Option<SqlError> {
    let phrases: &[&[&str]] = &[
        &["on", "conflict"],
        &["returning"],
        &["filter", "(", "where"],
        &["is", "distinct", "from"],
        &["is", "not", "distinct", "from"],
        &["unlogged"],
        &["on", "commit"],
        &["lateral"],
        &["["],
        &["unnest", "("],
        &["for", "update"],
        &["for", "share"],
        &["(", "insert"],
        &["(", "delete"],
        &["(", "update"],
        &["with", "ordinality"],
        &["and", "chain"],
        &["and", "no", "chain"],
        &["add", "column", "if"],
        &["concurrently"],
        &["materialized", "("],
        &["tablesample"],
        &["between", "symmetric"],
    ];
    let found = phrases.iter().find_map(|words| statement.find_words(words));
    if let Some(at) = found {
        return Some(syntax_error_at(statement, at));
    }
    let all = ["intersect", "except"].map(|word| statement.find_words(&[word, "all"]));
    if all.iter().any(Option::is_some) {
        let message = "INTERSECT ALL and EXCEPT ALL are not supported";
        return Some(SqlError::unsupported(message));
    }
    let distinct = statement.find_words(&["distinct", "on", "("]);
    distinct.map(|_| SqlError::unsupported("SELECT DISTINCT ON is not supported"))
}

/// Rejects relations of PostgreSQL that Redshift does not have: Redshift is based on PostgreSQL 8.
fn unsupported_relations(statement: &SqlStatement) -> Option<SqlError> {
    let relations = ["pg_enum", "pg_range", "pg_extension", "pg_matviews"];
    statement.tokens.iter().find_map(|token| {
        let name = token.text.as_str();
        let is_missing = token.kind == SqlTokenKind::Word && relations.contains(&name);
        is_missing.then(|| {
            let message = format!("relation \"{name}\" does not exist");
            SqlError::new("42P01", message)
        })
    })
}

fn delete_alias(statement: &SqlStatement) -> Option<SqlError> {
    if !statement.starts_with(&["delete"]) {
        return None;
    }
    let mut parser = statement.parser();
    parser.accept(&["delete"]);
    parser.accept(&["from"]);
    if let Err(error) = parser.qualified_name() {
        return Some(error);
    }
    let next = parser.peek()?;
    let right = next.is("using") || next.is("where");
    (!right).then(|| parser.unexpected_token())
}

fn merge_form(statement: &SqlStatement) -> Option<SqlError> {
    let into = statement.find_words(&["merge", "into"])?;
    if into > 0 {
        return Some(syntax_error_at(statement, into));
    }
    parse_merge(statement).err()
}

fn parse_merge(statement: &SqlStatement) -> Result<(), SqlError> {
    let wrong = |message: &str| Err(SqlError::unsupported(message));
    let mut parser = statement.parser();
    parser.expect(&["merge", "into"])?;
    let target = parser.qualified_name()?;
    parser.expect(&["using"])?;
    let source = parser.qualified_name()?;
    if target.eq_ignore_ascii_case(&source) {
        return wrong("MERGE source and target must be different tables");
    }
    parser.accept(&["as"]);
    if parser.peek().is_some_and(|token| !token.is("on")) {
        parser.name()?;
    }
    parser.expect(&["on"])?;
    let (mut matched, mut not_matched) = (0, 0);
    loop {
        if parser.accept(&["when", "matched"]) {
            matched += 1;
        } else if parser.accept(&["when", "not", "matched"]) {
            not_matched += 1;
        } else if matched + not_matched == 0 {
            let token = parser.next()?;
            let other = ["<", ">", "<=", ">=", "<>", "!=", "~", "+", "-", "*", "/"];
            let words = ["or", "not", "is", "like", "between", "in", "ilike"];
            if other.iter().chain(&words).any(|word| token.is(word)) {
                return wrong("MERGE supports equality predicates only");
            }
            continue;
        } else if parser.peek().is_some() {
            parser.next()?;
            continue;
        } else {
            break;
        }
        parser.expect(&["then"])?;
    }
    match (matched, not_matched) {
        (1, 1) => Ok(()),
        _ => wrong("MERGE requires both WHEN MATCHED and WHEN NOT MATCHED clauses"),
    }
}

/// `VALUES` is accepted only as part of INSERT.
fn values_lists(statement: &SqlStatement) -> Option<SqlError> {
    let at = statement.find_words(&["(", "values"])?;
    Some(syntax_error_at(statement, at + 1))
}

/// `generate_series` runs on the leader node, where there are no tables.
fn generate_series(statement: &SqlStatement) -> Option<SqlError> {
    statement.find_words(&["generate_series", "("])?;
    let tables = (0..statement.tokens.len()).any(|at| {
        let from = statement.has_words_at(at, &["from"]) || statement.has_words_at(at, &["join"]);
        from && !statement.has_words_at(at + 1, &["generate_series"])
            && !statement.has_words_at(at + 1, &["("])
    });
    let reads = statement.starts_with(&["select"]) || statement.starts_with(&["with"]);
    (tables || !reads).then(|| {
        SqlError::unsupported(
            "Specified types or functions (one per INFO message) not supported on Redshift tables.",
        )
    })
}

fn collations(statement: &SqlStatement) -> Option<SqlError> {
    let at = (0..statement.tokens.len()).find(|&at| {
        let known = ["(", "case_sensitive", "case_insensitive"];
        statement.has_words_at(at, &["collate"])
            && !known.iter().any(|w| statement.has_words_at(at + 1, &[w]))
    })?;
    Some(syntax_error_at(statement, at))
}

/// Accepts `LOCK [TABLE] t [, …]` without lock modes.
fn lock(statement: &SqlStatement) -> Option<SqlError> {
    let read = || {
        let mut parser = statement.parser();
        parser.expect(&["lock"])?;
        parser.accept(&["table"]);
        parser.qualified_name()?;
        while parser.accept(&[","]) {
            parser.qualified_name()?;
        }
        parser.expect_end()
    };
    statement.starts_with(&["lock"]).then(read)?.err()
}

/// Accepts `TRUNCATE [TABLE] t` with one table.
fn truncate(statement: &SqlStatement) -> Option<SqlError> {
    let read = || {
        let mut parser = statement.parser();
        parser.expect(&["truncate"])?;
        parser.accept(&["table"]);
        parser.qualified_name()?;
        parser.expect_end()
    };
    statement.starts_with(&["truncate"]).then(read)?.err()
}

/// Settings that PostgreSQL has too.
const SHARED_SETTINGS: [&str; 8] = [
    "client_encoding",
    "datestyle",
    "extra_float_digits",
    "search_path",
    "statement_timeout",
    "time",
    "timezone",
    "application_name",
];

/// Settings that only Redshift has.
const REDSHIFT_SETTINGS: [&str; 8] = [
    "analyze_threshold_percent",
    "enable_case_sensitive_identifier",
    "enable_numeric_rounding",
    "enable_result_cache_for_session",
    "enable_vacuum_boost",
    "error_on_nondeterministic_update",
    "query_group",
    "wlm_query_slot_count",
];

/// Returns the setting that a statement reads or changes.
fn setting_name(statement: &SqlStatement) -> Option<&SqlToken> {
    let first = statement.tokens.first()?;
    if !["set", "reset", "show"].iter().any(|word| first.is(word)) {
        return None;
    }
    let mut rest = statement.tokens[1..].iter();
    rest.find(|token| !token.is("session") && !token.is("local"))
}

fn settings(statement: &SqlStatement) -> Option<SqlError> {
    let setting = setting_name(statement)?.text.to_lowercase();
    let more = [
        "transaction_isolation",
        "server_version",
        "transaction",
        "all",
    ];
    let known = SHARED_SETTINGS
        .iter()
        .chain(&REDSHIFT_SETTINGS)
        .chain(&more);
    (!known.into_iter().any(|name| *name == setting)).then(|| {
        let message = format!("unrecognized configuration parameter \"{setting}\"");
        SqlError::new("42704", message)
    })
}

/// Redshift accepts all isolation levels, but not DEFERRABLE.
fn deferrable_transactions(statement: &SqlStatement) -> Option<SqlError> {
    let at = statement.find_words(&["deferrable"])?;
    let begins = statement.starts_with(&["begin"]) || statement.starts_with(&["start"]);
    begins.then(|| syntax_error_at(statement, at))
}

fn syntax_error_at(statement: &SqlStatement, at: usize) -> SqlError {
    let token = &statement.tokens[at];
    SqlError::syntax(&statement.sql[token.start..token.end])
}

/// The values of the functions that refer to the last COPY of the session.
#[derive(Clone, Copy, Default)]
pub struct LastCopyInfo {
    pub query_id: u64,
    pub copy_id: u64,
    pub row_count: u64,
}

/// Returns the edits of `DATEDIFF(second, a, b)`, whose name is the token at a position. It counts the full seconds between
/// the times.
fn datediff_edits(statement: &SqlStatement, at: usize) -> Vec<(Range<usize>, String)> {
    let tokens = &statement.tokens;
    let start = tokens[at].start..tokens[at + 3].end;
    let start_text = "(-EXTRACT(EPOCH FROM date_trunc('second', ".to_owned();
    let mut edits = vec![(start, start_text)];
    let mut depth = 0;
    for token in &tokens[at + 4..] {
        let text = match depth {
            0 if token.is(",") => ") - date_trunc('second', ",
            0 if token.is(")") => ")))::BIGINT",
            _ => "",
        };
        if !text.is_empty() {
            edits.push((token.start..token.end, text.to_owned()));
        }
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            if depth == 0 {
                break;
            }
            depth -= 1;
        }
    }
    edits
}

/// Translates the statement into that of PostgreSQL.
pub fn translate(statement: &SqlStatement, last: &LastCopyInfo) -> String {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let tokens = &statement.tokens;
    for (at, token) in tokens.iter().enumerate() {
        if token.kind != SqlTokenKind::Word {
            continue;
        }
        let last = match token.text.as_str() {
            "pg_last_copy_count" => Some(last.row_count),
            "pg_last_copy_id" => Some(last.copy_id),
            "pg_last_query_id" => Some(last.query_id),
            _ => None,
        };
        if let (Some(number), true) = (last, statement.has_words_at(at + 1, &["(", ")"])) {
            let value = format!("(SELECT {number}::BIGINT AS {})", token.text);
            edits.push((token.start..tokens[at + 2].end, value));
        } else if token.is("sysdate") && !statement.has_words_at(at + 1, &["("]) {
            edits.push((token.start..token.end, "sysdate()".to_owned()));
        } else if token.is("nvl") && statement.has_words_at(at + 1, &["("]) {
            edits.push((token.start..token.end, "coalesce".to_owned()));
        } else if token.is("datediff") && statement.has_words_at(at + 1, &["(", "second", ","]) {
            edits.extend(datediff_edits(statement, at));
        }
    }
    if statement.starts_with(&["delete"]) && !statement.has_words_at(1, &["from"]) {
        edits.push((tokens[0].end..tokens[0].end, " FROM".to_owned()));
    }
    if let Some(own) = setting_name(statement)
        && REDSHIFT_SETTINGS.contains(&own.text.as_str())
    {
        edits.push((own.start..own.end, format!("redshift.{}", own.text)));
    }
    if let Some(at) = statement.find_words(&["with", "no", "schema", "binding"]) {
        edits.push((tokens[at].start..tokens[at + 3].end, String::new()));
    }
    let mut sql = statement.sql.clone();
    edits.sort_by_key(|(range, _)| range.start);
    for (range, text) in edits.into_iter().rev() {
        sql.replace_range(range, &text);
    }
    sql
}
