//! Tests of the merge of a model whose names, keys and orders are others than those of the built-in one.

use std::collections::BTreeSet;

use super::merge::merge_statements;
use super::shops::SHOPS;
use super::verify::verify_statement;
use crate::model::ValueSource::Engine;
use crate::model::sparkify::SPARKIFY;
use crate::model::{EngineValue, Model};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::statement::{Effect, Statement};

const DIALECTS: [Dialect; 2] = [Dialect::Redshift, Dialect::Postgres];

/// Returns the statements of both models for both kinds of warehouse.
fn all_merges() -> impl Iterator<Item = (&'static Model, Vec<Statement>)> {
    [&SPARKIFY, &SHOPS]
        .into_iter()
        .flat_map(|model| DIALECTS.map(|dialect| (model, merge_statements(model, dialect, "'r1'"))))
}

/// Returns the statement that begins with a text.
fn find(dialect: Dialect, beginning: &str) -> Statement {
    let statements = merge_statements(&SHOPS, dialect, "'r1'");
    let mut found = statements
        .into_iter()
        .filter(|statement| statement.sql.starts_with(beginning));
    let statement = found.next().unwrap();
    assert_eq!(found.next(), None, "{beginning}");
    statement
}

fn words(sql: &str) -> BTreeSet<&str> {
    sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect()
}

/// Returns the names of the tables and columns.
fn names(model: &Model) -> BTreeSet<&'static str> {
    let tables = model.all_tables();
    tables
        .flat_map(|table| {
            let columns = table.columns.iter().map(|column| column.name);
            columns.chain([table.name])
        })
        .collect()
}

#[test]
fn all_names_are_those_of_the_model() {
    // The results of checks have columns of these names.
    let check_columns = BTreeSet::from(["name", "rows"]);
    for dialect in DIALECTS {
        let mut statements = merge_statements(&SHOPS, dialect, "'r1'");
        statements.push(verify_statement(&SHOPS, dialect, "'r1'"));
        for statement in &statements {
            for text in [&statement.sql, &statement.comment] {
                let foreign: Vec<_> = words(text)
                    .into_iter()
                    .filter(|word| names(&SPARKIFY).contains(word))
                    .filter(|word| !check_columns.contains(word))
                    .collect();
                assert_eq!(foreign, [""; 0], "{text}");
            }
        }
    }
}

#[test]
fn effects_are_what_the_statements_do() {
    for (model, statements) in all_merges() {
        for statement in statements {
            let words: Vec<_> = statement.sql.split_whitespace().take(3).collect();
            let warehouse_table = |name: &str| {
                let mut tables = model.warehouse_tables();
                tables.find(|table| table.name == name)
            };
            let expected = match words[..] {
                ["INSERT", "INTO", name] => warehouse_table(name).map(Effect::Insert),
                ["UPDATE", name, _] => warehouse_table(name).map(Effect::Update),
                ["DELETE", "FROM", name] => warehouse_table(name).map(Effect::Delete),
                _ => None,
            };
            let expected = expected.unwrap_or(Effect::Temporary);
            assert_eq!(statement.effect, expected, "{}", statement.sql);
        }
    }
}

#[test]
fn all_rows_of_all_tables_are_merged() {
    for (model, statements) in all_merges() {
        for table in model.warehouse_tables() {
            let insert = |statement: &Statement| statement.effect == Effect::Insert(table);
            assert!(statements.iter().any(insert), "{}", table.name);
        }
    }
}

#[test]
fn temporary_tables_are_created_before_they_are_used() {
    for (model, statements) in all_merges() {
        let mut created = BTreeSet::new();
        for statement in &statements {
            let sql = statement.sql.as_str();
            if let Some(rest) = sql.strip_prefix("CREATE TEMP TABLE ") {
                let name = rest.split_whitespace().next().unwrap();
                assert!(created.insert(name), "{name}");
            }
            // All of their names end with that of a table.
            let ends_with_table = |word: &&str| {
                let mut tables = model.warehouse_tables();
                tables.any(|table| word.ends_with(&format!("_{}", table.name)))
            };
            let is_known = |word: &&str| {
                let mut tables = model.dataset_tables();
                created.contains(word)
                    || names(model).contains(word)
                    || tables.any(|table| *word == format!("staged_{}", table.name))
            };
            for name in words(sql).into_iter().filter(ends_with_table) {
                assert!(is_known(&name), "{name}: {sql}");
            }
        }
    }
}

#[test]
fn postgres_verifies_every_column() {
    for model in [&SPARKIFY, &SHOPS] {
        let statement = verify_statement(model, Dialect::Postgres, "'r1'");
        for table in model.warehouse_tables() {
            let name = format!("SELECT '{}' AS name", table.name);
            let queries = statement.sql.split("\nUNION ALL\n");
            let verified: String = queries.filter(|query| query.contains(&name)).collect();
            let values: BTreeSet<_> = verified
                .split(|c: char| !c.is_ascii_alphanumeric() && !"_.".contains(c))
                .collect();
            for column in table.columns {
                let is_verified = values.contains(format!("w.{}", column.name).as_str());
                let is_of_load = [
                    EngineValue::LoadedAt,
                    EngineValue::LoadedBy,
                    EngineValue::LoadSeconds,
                ]
                .iter()
                .any(|value| column.source == Engine(*value));
                assert_ne!(is_verified, is_of_load, "{}.{}", table.name, column.name);
            }
        }
    }
}

#[test]
fn redshift_verifies_the_keys_of_the_star_schema() {
    let statement = verify_statement(&SHOPS, Dialect::Redshift, "'r1'");
    let expected = "\
-- sold_on is the distribution key, so that both sides of the join are on the same slice.
SELECT 'sales' AS name, COUNT(*) AS rows
FROM staged_sales n
LEFT JOIN sales w ON w.sale_id = n.sale_id AND w.sold_on = n.sold_on
WHERE w.sale_id IS NULL
UNION ALL
SELECT 'branches' AS name, COUNT(*) AS rows
FROM staged_branches n
LEFT JOIN branches w ON w.country = n.country AND w.branch = n.branch
WHERE w.country IS NULL
UNION ALL
SELECT 'days' AS name, COUNT(*) AS rows
FROM staged_days n
LEFT JOIN days w ON w.sold_on = n.sold_on
WHERE w.sold_on IS NULL";
    assert_eq!(statement.sql, expected);
}

#[test]
fn pick_ranks_by_all_kinds_of_terms() {
    let statement = find(Dialect::Postgres, "CREATE TEMP TABLE new_branches");
    let expected = "\
CREATE TEMP TABLE new_branches ON COMMIT DROP AS
SELECT country, branch, street, area
FROM (
    SELECT
        country, branch, street, area, is_staged,
        ROW_NUMBER() OVER (
            PARTITION BY country, branch
            ORDER BY
                CASE WHEN street IS NOT NULL AND area IS NOT NULL THEN 0 ELSE 1 END,
                CASE WHEN OCTET_LENGTH(street) > 0 THEN 0 ELSE 1 END,
                street NULLS LAST, area NULLS LAST,
                is_staged
        ) AS rn
    FROM (
        SELECT
            s.country, s.branch, s.street, s.area,
            1 AS is_staged
        FROM staged_branches s
        UNION ALL
        SELECT
            w.country, w.branch, w.street, w.area,
            0 AS is_staged
        FROM branches w
        JOIN staged_branches s ON s.country = w.country AND s.branch = w.branch
    ) AS candidates
) AS ranked
WHERE rn = 1 AND is_staged = 1";
    assert_eq!(statement.sql, expected);
    assert_eq!(statement.comment, "The record with most values counts.");
}

/// Only the text of the key has several spellings.
#[test]
fn redshift_picks_and_updates_the_spelling_of_a_key() {
    let pick = find(Dialect::Redshift, "CREATE TEMP TABLE new_branches AS");
    let order = "
                street || CHR(1) NULLS LAST, area NULLS LAST, country || CHR(1),
                is_staged";
    assert!(pick.sql.contains(order), "{}", pick.sql);
    let update = find(Dialect::Redshift, "UPDATE branches");
    let expected = "\
UPDATE branches SET
    country = n.country, street = n.street, area = n.area
FROM new_branches n
WHERE branches.country = n.country AND branches.branch = n.branch";
    assert_eq!(update.sql, expected);
}

#[test]
fn lookup_prefers_earlier_rows_by_all_terms_of_the_order() {
    let postgres = find(Dialect::Postgres, "CREATE TEMP TABLE earlier_prices");
    let conditions = "
    s.product IS NULL
    OR s.edition < k.edition
    OR (s.edition = k.edition AND (k.valid_from IS NULL) < (s.valid_from IS NULL))
    OR (";
    assert!(postgres.sql.contains(conditions), "{}", postgres.sql);
    let redshift = find(Dialect::Redshift, "CREATE TEMP TABLE earlier_prices");
    let last = " AND COALESCE(k.valid_from, TIMESTAMP '1970-01-01') = COALESCE(s.valid_from, TIMESTAMP '1970-01-01') \
                 AND k.price_code || CHR(1) < s.price_code || CHR(1))";
    assert!(redshift.sql.ends_with(last), "{}", redshift.sql);
}

#[test]
fn columns_are_filled_from_columns_with_other_names() {
    let staged = find(Dialect::Postgres, "UPDATE staged_sales");
    assert!(
        staged.sql.contains("SET\n    tariff = k.price_code\n"),
        "{}",
        staged.sql
    );
    let matched = find(Dialect::Postgres, "CREATE TEMP TABLE matched_sales");
    let select = "SELECT l.sale_id, n.price_code AS tariff\n";
    assert!(matched.sql.contains(select), "{}", matched.sql);
    let new = find(Dialect::Postgres, "CREATE TEMP TABLE new_sales");
    let select = "s.sale_id, s.clerk, k.price_code AS tariff,\n";
    assert!(new.sql.contains(select), "{}", new.sql);
}

#[test]
fn history_records_the_run() {
    let statement = find(Dialect::Redshift, "INSERT INTO loads");
    let expected = "\
INSERT INTO loads (batch, record, path, version, sales, bad, bad_bytes, finished_at, finished_by, seconds)
SELECT
    'r1', s.record, s.path, s.version, s.sales, s.bad, s.bad_bytes, GETDATE(), CURRENT_USER,
    DATEDIFF(second, SYSDATE, GETDATE())
FROM staged_files s
WHERE NOT EXISTS (SELECT 1 FROM loads w WHERE w.batch = 'r1' AND w.record = s.record AND w.path = s.path)";
    assert_eq!(statement.sql, expected);
}

#[test]
fn only_postgres_collects_statistics() {
    for (dialect, tables) in [(Dialect::Redshift, 0), (Dialect::Postgres, 6 + 7)] {
        let statements = merge_statements(&SHOPS, dialect, "'r1'");
        let analyzed = statements
            .iter()
            .filter(|statement| statement.sql.starts_with("ANALYZE "));
        assert_eq!(analyzed.count(), tables, "{dialect:?}");
    }
}
