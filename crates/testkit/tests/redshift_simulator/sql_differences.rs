//! SQL of PostgreSQL that Redshift rejects or interprets differently.

use crate::fixture::{SimulatorFixture, assert_rejects_and_accepts};

#[test]
fn on_conflict_is_rejected() {
    assert_rejects_and_accepts(
        &[(
            "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
            "near \"ON\"",
        )],
        &["INSERT INTO t VALUES (1)"],
    );
}

#[test]
fn returning_is_rejected() {
    assert_rejects_and_accepts(
        &[
            ("INSERT INTO t VALUES (1) RETURNING a", "near \"RETURNING\""),
            ("DELETE FROM t RETURNING a", "near \"RETURNING\""),
        ],
        &["SELECT a FROM t WHERE b = 'ON CONFLICT RETURNING ['"],
    );
}

#[test]
fn distinct_on_is_rejected() {
    assert_rejects_and_accepts(
        &[("SELECT DISTINCT ON (a) a FROM t", "DISTINCT ON")],
        &["SELECT DISTINCT a FROM t"],
    );
}

#[test]
fn aggregate_filter_is_rejected() {
    assert_rejects_and_accepts(
        &[(
            "SELECT count(*) FILTER (WHERE a > 1) FROM t",
            "near \"FILTER\"",
        )],
        &["SELECT count(CASE WHEN a > 1 THEN 1 END) FROM t"],
    );
}

#[test]
fn is_distinct_from_is_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SELECT 1 FROM t WHERE a IS DISTINCT FROM 1", "near \"IS\""),
            (
                "SELECT 1 FROM t WHERE a IS NOT DISTINCT FROM 1",
                "near \"IS\"",
            ),
        ],
        &["SELECT 1 FROM t WHERE a IS NOT NULL"],
    );
}

#[test]
fn delete_target_alias_is_rejected() {
    assert_rejects_and_accepts(
        &[
            ("DELETE FROM t x WHERE x.a = 1", "near \"x\""),
            ("DELETE FROM t AS x USING s WHERE x.a = s.a", "near \"AS\""),
        ],
        &[
            "DELETE FROM t USING s WHERE t.a = s.a",
            "DELETE t",
            "DELETE FROM t WHERE a = 1",
        ],
    );
}

#[test]
fn generate_series_with_tables_is_rejected() {
    assert_rejects_and_accepts(
        &[
            (
                "SELECT a FROM t CROSS JOIN generate_series(1, 2)",
                "not supported on Redshift tables",
            ),
            (
                "INSERT INTO t (a) SELECT generate_series(1, 2)",
                "not supported on Redshift tables",
            ),
        ],
        &["SELECT generate_series(1, 2)"],
    );
}

#[test]
fn collations_are_rejected() {
    assert_rejects_and_accepts(
        &[(
            "SELECT b FROM t ORDER BY b COLLATE \"C\"",
            "near \"COLLATE\"",
        )],
        &["SELECT b FROM t ORDER BY b"],
    );
}

#[test]
fn lateral_is_rejected() {
    assert_rejects_and_accepts(
        &[("SELECT * FROM t, LATERAL (SELECT 1) x", "near \"LATERAL\"")],
        &[],
    );
}

#[test]
fn arrays_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SELECT ARRAY[1, 2]", "near \"[\""),
            ("SELECT '{1}'::INTEGER[]", "near \"[\""),
            ("SELECT array_agg(a) FROM t", "array_agg"),
            ("SELECT * FROM unnest('{1}')", "near \"unnest\""),
        ],
        &[],
    );
}

#[test]
fn newer_functions_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SELECT string_agg(b, ',') FROM t", "string_agg"),
            ("SELECT to_regclass('t')", "to_regclass"),
            ("SELECT gen_random_uuid()", "gen_random_uuid"),
            ("SELECT clock_timestamp()", "clock_timestamp"),
        ],
        &["SELECT NVL(b, 'x'), OCTET_LENGTH(b) FROM t"],
    );
}

#[test]
fn values_outside_insert_is_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SELECT * FROM (VALUES (1), (2)) v", "near \"VALUES\""),
            ("VALUES (1)", "near \"VALUES\""),
        ],
        &["INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y')"],
    );
}

#[test]
fn data_modifying_queries_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("WITH gone AS (DELETE FROM t) SELECT 1", "near \"(\""),
            ("SELECT a FROM t FOR UPDATE", "near \"FOR\""),
        ],
        &["WITH x AS (SELECT a FROM t) SELECT * FROM x"],
    );
}

#[test]
fn except_all_and_intersect_all_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SELECT a FROM t EXCEPT ALL SELECT a FROM s", "EXCEPT ALL"),
            (
                "SELECT a FROM t INTERSECT ALL SELECT a FROM s",
                "INTERSECT ALL",
            ),
        ],
        &[
            "SELECT a FROM t EXCEPT SELECT a FROM s",
            "SELECT a FROM t UNION ALL SELECT a FROM s",
        ],
    );
}

#[test]
fn do_blocks_and_dollar_quotes_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("DO 'BEGIN END'", "near \"DO\""),
            ("SELECT $$x$$", "near \"$\""),
        ],
        &[],
    );
}

#[test]
fn unknown_statements_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("LISTEN x", "LISTEN"),
            ("CREATE EXTENSION x", "CREATE"),
            ("CREATE SEQUENCE x", "CREATE"),
        ],
        &[
            "ANALYZE t",
            "EXPLAIN SELECT a FROM t",
            "GRANT SELECT ON t TO PUBLIC",
        ],
    );
}

#[test]
fn merge_requires_both_clauses_and_equality() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER, b INTEGER); CREATE TABLE s (a INTEGER, b INTEGER)");
    test.execute("INSERT INTO t VALUES (1, 1); INSERT INTO s VALUES (1, 10), (2, 20)");
    let matched = "WHEN MATCHED THEN UPDATE SET b = s.b";
    let other = "WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.a, s.b)";
    let merge = |on: &str, rest: &str| format!("MERGE INTO t USING s ON {on} {rest}");
    let both = format!("{matched} {other}");
    test.execute(&merge("t.a = s.a", &both));
    assert_eq!(
        test.query_rows("SELECT a, b FROM t ORDER BY a"),
        ["1|10", "2|20"]
    );
    test.expect_error(&merge("t.a = s.a", matched), "both");
    test.expect_error(&merge("t.a = s.a", other), "both");
    test.expect_error(&merge("t.a > s.a", &both), "equality");
    test.expect_error(
        &format!("WITH x AS (SELECT 1) {}", merge("t.a = s.a", &both)),
        "MERGE",
    );
    test.expect_error(
        &format!("MERGE INTO t USING t ON t.a = t.a {both}"),
        "different",
    );
    test.execute("INSERT INTO s VALUES (1, 11)");
    test.expect_error(&merge("t.a = s.a", &both), "second time");
}

#[test]
fn backslash_escapes_in_strings() {
    let mut test = SimulatorFixture::new();
    assert_eq!(test.query_rows(r"SELECT '\''"), ["'"]);
    assert_eq!(test.query_rows(r"SELECT 'a\\b'"), [r"a\b"]);
    // A literal in which only quotes are doubled can be broken out of.
    test.execute("CREATE TABLE t (a INTEGER)");
    test.execute(r"SELECT '\'' ; DROP TABLE t; --'");
    test.expect_error("SELECT * FROM t", "does not exist");
    test.expect_error(r"SELECT '\'", "unterminated");
}

#[test]
fn datediff_counts_seconds() {
    let mut test = SimulatorFixture::new();
    let query = |from: &str, to: &str| {
        format!("SELECT DATEDIFF(second, CAST('{from}' AS TIMESTAMP), CAST('{to}' AS TIMESTAMP))")
    };
    for (from, to, seconds) in [
        ("2018-11-01 00:00:00", "2018-11-01 00:01:00", "60"),
        ("2018-11-01 00:00:00.9", "2018-11-01 00:00:01.1", "1"),
        ("2018-11-01 00:00:01", "2018-11-01 00:00:00", "-1"),
    ] {
        assert_eq!(test.query_rows(&query(from, to)), [seconds]);
    }
    assert_eq!(
        test.query_rows("SELECT DATEDIFF(second, SYSDATE, GETDATE()) < 5"),
        ["t"]
    );
}

#[test]
fn casts_to_other_types_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SELECT b::jsonb FROM t", "type \"jsonb\" does not exist"),
            (
                "SELECT CAST(b AS JSON) FROM t",
                "type \"json\" does not exist",
            ),
            (
                "SELECT CAST(CAST(b AS BYTEA) AS VARCHAR) FROM t",
                "\"bytea\"",
            ),
            ("SELECT b::uuid FROM t", "\"uuid\""),
        ],
        &[
            "SELECT CAST(a AS VARCHAR(9)), a::DOUBLE PRECISION, CAST(b || 'x' AS TEXT) FROM t",
            "SELECT CAST(CASE WHEN b ~ '^[0-9]{1,9}$' THEN b END AS BIGINT) AS json FROM t",
        ],
    );
}

#[test]
fn functions_that_redshift_lacks_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SELECT make_date(2018, 11, a) FROM t", "make_date"),
            ("SELECT make_interval(secs => a) FROM t", "make_interval"),
            ("SELECT regexp_matches(b, 'x') FROM t", "regexp_matches"),
            ("SELECT regexp_match(b, 'x') FROM t", "regexp_match"),
            (
                "SELECT regexp_split_to_array(b, 'x') FROM t",
                "regexp_split_to_array",
            ),
            ("SELECT jsonb_typeof(b) FROM t", "jsonb_typeof"),
            (
                "SELECT json_array_elements(b) FROM t",
                "json_array_elements",
            ),
            ("SELECT starts_with(b, 'x') FROM t", "starts_with"),
            ("SELECT format('%s', b) FROM t", "format"),
            ("SELECT encode(b, 'hex') FROM t", "encode"),
            ("SELECT div(a, 2) FROM t", "div"),
            ("SELECT to_timestamp(a) FROM t", "to_timestamp"),
            ("SELECT to_timestamp(mod(a, 2)) FROM t", "to_timestamp"),
            ("SELECT concat(b, 'x') FROM t", "CONCAT"),
        ],
        &[
            "SELECT to_timestamp('2018-11-01', 'YYYY-MM-DD')",
            "SELECT SPLIT_PART(b, 'e', 1), LENGTH(b), OCTET_LENGTH(b), RTRIM(b, '0'), LTRIM(b, '0') FROM t",
            "SELECT REPEAT('0', a), REPLACE(b, 'x', 'y'), MOD(a, 2), CHR(1), GREATEST(a, 1) FROM t",
            "SELECT TIMESTAMP 'epoch' + a * INTERVAL '1 second' + MOD(a, 1000) * INTERVAL '0.001 second' FROM t",
            "SELECT EXTRACT(dow FROM CAST(SYSDATE AS DATE) + 1)",
        ],
    );
}

#[test]
fn aggregates_over_an_order_require_a_frame() {
    let words = "require a frame clause";
    assert_rejects_and_accepts(
        &[
            (
                "SELECT SUM(a) OVER (PARTITION BY b ORDER BY a) FROM t",
                words,
            ),
            ("SELECT FIRST_VALUE(a) OVER (ORDER BY a) FROM t", words),
            ("SELECT MIN(COALESCE(a, 0)) OVER (ORDER BY a) FROM t", words),
            (
                "SELECT SUM(a) OVER (ORDER BY a RANGE UNBOUNDED PRECEDING) FROM t",
                "near \"range\"",
            ),
            (
                "SELECT SUM(a) OVER w FROM t WINDOW w AS (PARTITION BY b)",
                "near \"w\"",
            ),
        ],
        &[
            "SELECT SUM(a) OVER (PARTITION BY b ORDER BY a ROWS UNBOUNDED PRECEDING) FROM t",
            "SELECT SUM(a) OVER (PARTITION BY b), COUNT(*) OVER () FROM t",
            "SELECT ROW_NUMBER() OVER (PARTITION BY b ORDER BY a), LAG(a) OVER (ORDER BY a) FROM t",
        ],
    );
}

#[test]
fn other_regular_expressions_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SELECT b ~* 'x' FROM t", "near \"~*\""),
            ("SELECT b !~* 'x' FROM t", "near \"~*\""),
            ("SELECT b ~ '(?:x)' FROM t", "POSIX"),
        ],
        &["SELECT b ~ '^-?[0-9]+$', b !~ '[eE]' FROM t"],
    );
}

#[test]
fn iso_parts_of_dates_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SELECT EXTRACT(isodow FROM SYSDATE)", "\"isodow\""),
            ("SELECT EXTRACT(ISOYEAR FROM SYSDATE)", "\"isoyear\""),
            ("SELECT DATE_PART('isodow', SYSDATE)", "\"isodow\""),
        ],
        &["SELECT EXTRACT(week FROM SYSDATE), DATE_PART('doy', SYSDATE)"],
    );
}

#[test]
fn newer_clauses_of_queries_are_rejected() {
    assert_rejects_and_accepts(
        &[
            (
                "WITH x AS MATERIALIZED (SELECT 1) SELECT * FROM x",
                "near \"MATERIALIZED\"",
            ),
            (
                "SELECT * FROM t TABLESAMPLE system (9)",
                "near \"TABLESAMPLE\"",
            ),
            (
                "SELECT * FROM t WHERE a BETWEEN SYMMETRIC 2 AND 1",
                "near \"BETWEEN\"",
            ),
        ],
        &[],
    );
}

#[test]
fn concatenation_beside_a_comparison_needs_parentheses() {
    assert_rejects_and_accepts(
        &[
            ("SELECT 1 FROM t WHERE b || 'x' <> b", "in parentheses"),
            (
                "SELECT 1 FROM t WHERE a = 1 AND b <= b || 'x'",
                "in parentheses",
            ),
            (
                "SELECT CASE WHEN (b || 'x') >= b || 'y' THEN 1 END FROM t",
                "in parentheses",
            ),
        ],
        &[
            "SELECT 1 FROM t WHERE (b || 'x') <> (b || 'y')",
            "SELECT 1 FROM t WHERE b || 'x' = b || 'y' AND a <> 1",
            "SELECT b || 'x' FROM t WHERE a <> 1 OR b || 'x' < b",
        ],
    );
}
