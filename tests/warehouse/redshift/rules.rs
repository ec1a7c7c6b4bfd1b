//! What Redshift refuses, and what it puts in other words.

use std::ops::Range;

use super::lexer::{Kind, Statement, Token};
use super::wire::Refusal;

type Rule = fn(&Statement) -> Option<Refusal>;

/// Refuses what Redshift would not take, wherever a look at the words tells.
pub fn check(statement: &Statement) -> Result<(), Refusal> {
    let rules: [Rule; 14] = [
        copy_from_stdin,
        savepoints,
        phrases,
        words,
        delete_alias,
        merge,
        lists_of_values,
        series,
        collations,
        lock,
        truncate,
        settings,
        transactions,
        kinds,
    ];
    rules
        .iter()
        .find_map(|rule| rule(statement))
        .map_or(Ok(()), Err)
}

/// The statements that are known here. What is not, proves nothing when it works.
fn kinds(statement: &Statement) -> Option<Refusal> {
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
    if known.iter().any(|words| statement.begins(words)) {
        return None;
    }
    if statement.find(&["index"]).is_some() {
        let message = "SQL command \"CREATE INDEX\" not supported on Redshift tables.";
        return Some(Refusal::unsupported(message));
    }
    Some(near(statement, 0))
}

fn copy_from_stdin(statement: &Statement) -> Option<Refusal> {
    let words = ["stdin", "stdout"];
    let found = words.iter().any(|word| statement.find(&[word]).is_some());
    (found && statement.begins(&["copy"])).then(|| {
        Refusal::unsupported("LOAD source is not supported. (Hint: only S3 or DynamoDB or EMR based load is allowed)")
    })
}

fn savepoints(statement: &Statement) -> Option<Refusal> {
    let named = statement.begins(&["savepoint"]) || statement.begins(&["release"]);
    let back = statement.begins(&["rollback"]) && statement.find(&["to"]).is_some();
    (named || back).then(|| {
        let message = format!("SQL command \"{}\" not supported.", statement.sql);
        Refusal::unsupported(message)
    })
}

/// Phrases of PostgreSQL that Redshift has not.
fn phrases(statement: &Statement) -> Option<Refusal> {
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
    ];
    let found = phrases.iter().find_map(|words| statement.find(words));
    if let Some(at) = found {
        return Some(near(statement, at));
    }
    let all = ["intersect", "except"].map(|word| statement.find(&[word, "all"]));
    if all.iter().any(Option::is_some) {
        let message = "INTERSECT ALL and EXCEPT ALL are not supported";
        return Some(Refusal::unsupported(message));
    }
    let distinct = statement.find(&["distinct", "on", "("]);
    distinct.map(|_| Refusal::unsupported("SELECT DISTINCT ON is not supported"))
}

/// Names of PostgreSQL that Redshift has not: it is as old as PostgreSQL 8.
fn words(statement: &Statement) -> Option<Refusal> {
    let relations = ["pg_enum", "pg_range", "pg_extension", "pg_matviews"];
    let functions = [
        "to_regclass",
        "array_agg",
        "string_agg",
        "json_agg",
        "jsonb_agg",
        "row_to_json",
        "to_json",
        "to_jsonb",
        "gen_random_uuid",
        "concat_ws",
        "make_date",
        "make_timestamp",
        "make_interval",
        "pg_table_size",
        "pg_total_relation_size",
        "regexp_matches",
        "regexp_split_to_table",
        "clock_timestamp",
        "statement_timestamp",
        "transaction_timestamp",
        "hashtextextended",
        "pg_advisory_lock",
        "pg_advisory_xact_lock",
        "pg_try_advisory_lock",
        "nextval",
        "set_config",
    ];
    statement.tokens.iter().enumerate().find_map(|(at, token)| {
        let name = token.text.as_str();
        if token.kind != Kind::Word {
            None
        } else if relations.contains(&name) {
            let message = format!("relation \"{name}\" does not exist");
            Some(Refusal::new("42P01", message))
        } else if functions.contains(&name) && statement.has(at + 1, &["("]) {
            let message = format!("function {name}() does not exist");
            Some(Refusal::new("42883", message))
        } else {
            None
        }
    })
}

fn delete_alias(statement: &Statement) -> Option<Refusal> {
    if !statement.begins(&["delete"]) {
        return None;
    }
    let mut parser = statement.parser();
    parser.take(&["delete"]);
    parser.take(&["from"]);
    if let Err(refusal) = parser.qualified() {
        return Some(refusal);
    }
    let next = parser.peek()?;
    let right = next.is("using") || next.is("where");
    (!right).then(|| parser.unexpected())
}

fn merge(statement: &Statement) -> Option<Refusal> {
    let into = statement.find(&["merge", "into"])?;
    if into > 0 {
        return Some(near(statement, into));
    }
    read_merge(statement).err()
}

fn read_merge(statement: &Statement) -> Result<(), Refusal> {
    let wrong = |message: &str| Err(Refusal::unsupported(message));
    let mut parser = statement.parser();
    parser.expect(&["merge", "into"])?;
    let target = parser.qualified()?;
    parser.expect(&["using"])?;
    let source = parser.qualified()?;
    if target.eq_ignore_ascii_case(&source) {
        return wrong("MERGE source and target must be different tables");
    }
    parser.take(&["as"]);
    if parser.peek().is_some_and(|token| !token.is("on")) {
        parser.name()?;
    }
    parser.expect(&["on"])?;
    let (mut matched, mut not_matched) = (0, 0);
    loop {
        if parser.take(&["when", "matched"]) {
            matched += 1;
        } else if parser.take(&["when", "not", "matched"]) {
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

/// `VALUES` is a part of INSERT and of nothing else.
fn lists_of_values(statement: &Statement) -> Option<Refusal> {
    let at = statement.find(&["(", "values"])?;
    Some(near(statement, at + 1))
}

/// It runs on the leader node, where there are no tables.
fn series(statement: &Statement) -> Option<Refusal> {
    statement.find(&["generate_series", "("])?;
    let tables = (0..statement.tokens.len()).any(|at| {
        let from = statement.has(at, &["from"]) || statement.has(at, &["join"]);
        from && !statement.has(at + 1, &["generate_series"]) && !statement.has(at + 1, &["("])
    });
    let reads = statement.begins(&["select"]) || statement.begins(&["with"]);
    (tables || !reads).then(|| {
        Refusal::unsupported(
            "Specified types or functions (one per INFO message) not supported on Redshift tables.",
        )
    })
}

fn collations(statement: &Statement) -> Option<Refusal> {
    let at = (0..statement.tokens.len()).find(|&at| {
        let known = ["(", "case_sensitive", "case_insensitive"];
        statement.has(at, &["collate"]) && !known.iter().any(|w| statement.has(at + 1, &[w]))
    })?;
    Some(near(statement, at))
}

/// `LOCK [TABLE] t [, …]`, and no modes.
fn lock(statement: &Statement) -> Option<Refusal> {
    let read = || {
        let mut parser = statement.parser();
        parser.expect(&["lock"])?;
        parser.take(&["table"]);
        parser.qualified()?;
        while parser.take(&[","]) {
            parser.qualified()?;
        }
        parser.end()
    };
    statement.begins(&["lock"]).then(read)?.err()
}

/// `TRUNCATE [TABLE] t`, one at a time.
fn truncate(statement: &Statement) -> Option<Refusal> {
    let read = || {
        let mut parser = statement.parser();
        parser.expect(&["truncate"])?;
        parser.take(&["table"]);
        parser.qualified()?;
        parser.end()
    };
    statement.begins(&["truncate"]).then(read)?.err()
}

/// Settings that PostgreSQL has, too.
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
const OWN_SETTINGS: [&str; 8] = [
    "analyze_threshold_percent",
    "enable_case_sensitive_identifier",
    "enable_numeric_rounding",
    "enable_result_cache_for_session",
    "enable_vacuum_boost",
    "error_on_nondeterministic_update",
    "query_group",
    "wlm_query_slot_count",
];

/// The setting that a statement is about.
fn setting(statement: &Statement) -> Option<&Token> {
    let first = statement.tokens.first()?;
    if !["set", "reset", "show"].iter().any(|word| first.is(word)) {
        return None;
    }
    let mut rest = statement.tokens[1..].iter();
    rest.find(|token| !token.is("session") && !token.is("local"))
}

fn settings(statement: &Statement) -> Option<Refusal> {
    let setting = setting(statement)?.text.to_lowercase();
    let more = [
        "transaction_isolation",
        "server_version",
        "transaction",
        "all",
    ];
    let known = SHARED_SETTINGS.iter().chain(&OWN_SETTINGS).chain(&more);
    (!known.into_iter().any(|name| *name == setting)).then(|| {
        let message = format!("unrecognized configuration parameter \"{setting}\"");
        Refusal::new("42704", message)
    })
}

/// Transactions begin with all their levels, and all are the same.
fn transactions(statement: &Statement) -> Option<Refusal> {
    let at = statement.find(&["deferrable"])?;
    let begins = statement.begins(&["begin"]) || statement.begins(&["start"]);
    begins.then(|| near(statement, at))
}

fn near(statement: &Statement, at: usize) -> Refusal {
    let token = &statement.tokens[at];
    Refusal::syntax(&statement.sql[token.start..token.end])
}

/// What the functions tell that know of the session's last COPY.
#[derive(Clone, Copy, Default)]
pub struct Last {
    pub query: u64,
    pub copy: u64,
    pub count: u64,
}

/// The statement as PostgreSQL says it.
pub fn translate(statement: &Statement, last: &Last) -> String {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let tokens = &statement.tokens;
    for (at, token) in tokens.iter().enumerate() {
        if token.kind != Kind::Word {
            continue;
        }
        let last = match token.text.as_str() {
            "pg_last_copy_count" => Some(last.count),
            "pg_last_copy_id" => Some(last.copy),
            "pg_last_query_id" => Some(last.query),
            _ => None,
        };
        if let (Some(number), true) = (last, statement.has(at + 1, &["(", ")"])) {
            let value = format!("(SELECT {number}::BIGINT AS {})", token.text);
            edits.push((token.start..tokens[at + 2].end, value));
        } else if token.is("sysdate") && !statement.has(at + 1, &["("]) {
            edits.push((token.start..token.end, "sysdate()".to_owned()));
        } else if token.is("nvl") && statement.has(at + 1, &["("]) {
            edits.push((token.start..token.end, "coalesce".to_owned()));
        }
    }
    if statement.begins(&["delete"]) && !statement.has(1, &["from"]) {
        edits.push((tokens[0].end..tokens[0].end, " FROM".to_owned()));
    }
    if let Some(own) = setting(statement)
        && OWN_SETTINGS.contains(&own.text.as_str())
    {
        edits.push((own.start..own.end, format!("redshift.{}", own.text)));
    }
    if let Some(at) = statement.find(&["with", "no", "schema", "binding"]) {
        edits.push((tokens[at].start..tokens[at + 3].end, String::new()));
    }
    let mut sql = statement.sql.clone();
    edits.sort_by_key(|(range, _)| range.start);
    for (range, text) in edits.into_iter().rev() {
        sql.replace_range(range, &text);
    }
    sql
}
