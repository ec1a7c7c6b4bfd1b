//! CREATE TABLE, ALTER TABLE, keys and types.

use crate::fixture::{SimulatorFixture, assert_rejects_and_accepts};

#[test]
fn indexes_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("CREATE INDEX i ON t (a)", "CREATE INDEX"),
            ("CREATE UNIQUE INDEX i ON t (a)", "CREATE INDEX"),
        ],
        &[],
    );
}

#[test]
fn on_commit_drop_and_unlogged_are_rejected() {
    assert_rejects_and_accepts(
        &[
            (
                "CREATE TEMP TABLE u (a INTEGER) ON COMMIT DROP",
                "near \"ON\"",
            ),
            ("CREATE UNLOGGED TABLE u (a INTEGER)", "UNLOGGED"),
        ],
        &[
            "CREATE TEMP TABLE u (a INTEGER)",
            "CREATE TEMP TABLE v AS SELECT a FROM t",
        ],
    );
}

#[test]
fn create_table_as_has_no_if_not_exists() {
    assert_rejects_and_accepts(
        &[
            (
                "CREATE TEMP TABLE IF NOT EXISTS u AS SELECT a FROM t",
                "near \"AS\"",
            ),
            (
                "CREATE TABLE IF NOT EXISTS u AS SELECT a FROM t",
                "near \"AS\"",
            ),
        ],
        &[
            "CREATE TABLE IF NOT EXISTS u (a INTEGER)",
            "CREATE TABLE v AS SELECT a FROM t",
        ],
    );
}

#[test]
fn statistics_are_collected_after_create_table_as_and_copy() {
    let mut test = SimulatorFixture::new();
    let rows = |test: &mut SimulatorFixture, table: &str| {
        let sql = format!("SELECT tbl_rows FROM svv_table_info WHERE \"table\" = '{table}'");
        test.query_rows(&sql)
    };
    test.execute("CREATE TABLE t (a VARCHAR(9)); INSERT INTO t VALUES ('x'), ('y')");
    test.execute("BEGIN; CREATE TEMP TABLE u AS SELECT a FROM t");
    assert_eq!(rows(&mut test, "u"), ["2"]);
    test.execute("COMMIT");
    test.put_object("d", "{} {} {}");
    let copy = "COPY t FROM 's3://b/d' IAM_ROLE default FORMAT AS JSON 'auto'";
    let before = rows(&mut test, "t");
    test.execute(&format!("{copy} STATUPDATE OFF"));
    assert_eq!(rows(&mut test, "t"), before);
    test.execute(copy);
    assert_eq!(rows(&mut test, "t"), ["8"]);
}

#[test]
fn truncate_takes_one_table() {
    assert_rejects_and_accepts(
        &[
            ("TRUNCATE t, s", "near \",\""),
            ("TRUNCATE t CASCADE", "near \"CASCADE\""),
        ],
        &["TRUNCATE t", "TRUNCATE TABLE s"],
    );
}

#[test]
fn alter_table_adds_one_column() {
    assert_rejects_and_accepts(
        &[
            (
                "ALTER TABLE t ADD COLUMN x INTEGER, ADD COLUMN y INTEGER",
                "near \",\"",
            ),
            (
                "ALTER TABLE t ADD COLUMN x INTEGER NOT NULL",
                "must have a non-null default",
            ),
            ("ALTER TABLE t ALTER COLUMN a DROP DEFAULT", "near \"DROP\""),
            ("ALTER TABLE t ALTER a SET NOT NULL", "near \"SET\""),
        ],
        &[
            "ALTER TABLE t ADD COLUMN x VARCHAR(16) DEFAULT 'log' NOT NULL",
            "ALTER TABLE t ADD y DOUBLE PRECISION",
            "ALTER TABLE t RENAME TO u",
        ],
    );
}

#[test]
fn create_table_accepts_redshift_attributes() {
    let mut test = SimulatorFixture::new();
    test.execute(
        "CREATE TABLE IF NOT EXISTS t (a INTEGER NOT NULL ENCODE az64, b VARCHAR(20) ENCODE zstd DEFAULT 'x', \
         c TIMESTAMP DEFAULT GETDATE(), d TIMESTAMP DEFAULT SYSDATE, PRIMARY KEY (a)) \
         DISTSTYLE KEY DISTKEY (a) COMPOUND SORTKEY (a, c)",
    );
    test.execute("CREATE TABLE u (a INTEGER DISTKEY SORTKEY, b TEXT, c VARCHAR(MAX)) ENCODE AUTO");
    test.execute("CREATE TABLE v (a INTEGER, b INTEGER) DISTSTYLE ALL INTERLEAVED SORTKEY (a, b)");
    test.execute("CREATE TABLE w DISTSTYLE EVEN AS SELECT a FROM u");
    test.execute("INSERT INTO t (a) VALUES (1)");
    assert_eq!(
        test.query_rows("SELECT b FROM t WHERE c <= GETDATE() AND d <= SYSDATE"),
        ["x"]
    );
    let columns = "SELECT \"column\", type, encoding, distkey, sortkey, \"notnull\" FROM pg_table_def \
                   WHERE tablename = 't'";
    assert_eq!(
        test.query_rows(columns)[..2],
        ["a|integer|az64|t|1|t", "b|character varying(20)|zstd|f|0|f"]
    );
    let style = "SELECT diststyle, sortkey1 FROM svv_table_info WHERE \"table\" = 't'";
    assert_eq!(test.query_rows(style), ["KEY(a)|a"]);
    for (sql, words) in [
        ("CREATE TABLE x (a INTEGER) TABLESPACE y", "TABLESPACE"),
        ("CREATE TABLE x (a INTEGER) WITH (fillfactor = 50)", "WITH"),
        ("CREATE TABLE x (a INTEGER CHECK (a > 0))", "CHECK"),
        ("CREATE TABLE x (a SERIAL)", "serial"),
        ("CREATE TABLE x (a UUID)", "uuid"),
        ("CREATE TABLE x (a JSONB)", "jsonb"),
        ("CREATE TABLE x (a BYTEA)", "bytea"),
        ("CREATE TABLE x (a VARCHAR(65536))", "65535"),
        (
            "CREATE TABLE x (a INTEGER) DISTSTYLE ALL DISTKEY (a)",
            "DISTKEY",
        ),
        ("CREATE TABLE x (a INTEGER) DISTSTYLE KEY", "DISTKEY"),
        ("CREATE TABLE x (a INTEGER) DISTSTYLE SOME", "SOME"),
        ("CREATE TABLE x (a INTEGER) SORTKEY (b)", "\"b\""),
        ("CREATE TABLE x (a VARCHAR(9) ENCODE az64)", "az64"),
        ("CREATE TABLE x (a INTEGER ENCODE gzip)", "gzip"),
    ] {
        test.expect_error(sql, words);
    }
}

#[test]
fn create_table_like_copies_constraints() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER NOT NULL PRIMARY KEY, b VARCHAR(2)); CREATE TEMP TABLE s (LIKE t)");
    test.expect_error("INSERT INTO s VALUES (NULL, 'x')", "null");
    assert_eq!(
        test.expect_error("INSERT INTO s VALUES (1, 'ää')", "Value too long"),
        "22001"
    );
    test.execute("INSERT INTO s VALUES (1, 'x'), (1, 'y')");
}

#[test]
fn varchar_length_is_in_bytes() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a VARCHAR(4)); INSERT INTO t VALUES ('ää')");
    for sql in [
        "INSERT INTO t VALUES ('ääb')",
        "INSERT INTO t VALUES ('abcde')",
        "UPDATE t SET a = 'ääb'",
    ] {
        assert_eq!(
            test.expect_error(sql, "Value too long for character type"),
            "22001"
        );
    }
}

#[test]
fn text_is_ordered_bytewise() {
    let mut test = SimulatorFixture::new();
    test.execute(
        "CREATE TABLE t (a VARCHAR(9)); INSERT INTO t VALUES ('b'), ('A'), ('ä'), ('B'), ('a')",
    );
    assert_eq!(
        test.query_rows("SELECT a FROM t ORDER BY a"),
        ["A", "B", "a", "b", "ä"]
    );
}

#[test]
fn keys_are_not_enforced() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE p (a INTEGER PRIMARY KEY, b INTEGER UNIQUE)");
    test.execute(
        "CREATE TABLE c (a INTEGER REFERENCES p (a), b INTEGER, FOREIGN KEY (b) REFERENCES p (b))",
    );
    test.execute("INSERT INTO p VALUES (1, 1), (1, 1); INSERT INTO c VALUES (7, 7)");
    test.expect_error("INSERT INTO p VALUES (NULL, 1)", "null");
    assert_eq!(test.query_rows("SELECT count(*) FROM p"), ["2"]);
    test.expect_error(
        "CREATE TABLE d (a INTEGER REFERENCES c (a))",
        "no unique constraint",
    );
    test.expect_error(
        "CREATE TABLE d (a INTEGER REFERENCES nothing (a))",
        "does not exist",
    );
}

#[test]
fn referenced_table_is_dropped_only_with_cascade() {
    let mut test = SimulatorFixture::new();
    test.execute(
        "CREATE TABLE p (a INTEGER PRIMARY KEY); CREATE TABLE c (a INTEGER REFERENCES p (a))",
    );
    assert_eq!(
        test.expect_error("DROP TABLE p", "other objects depend on it"),
        "2BP01"
    );
    test.expect_error("DROP TABLE IF EXISTS p", "other objects depend on it");
    test.execute("BEGIN; DROP TABLE c; DROP TABLE p; ROLLBACK");
    test.execute("DROP TABLE p CASCADE");
    test.execute("DROP TABLE c");
    // A transaction that is rolled back leaves no reference.
    test.execute("CREATE TABLE p (a INTEGER PRIMARY KEY)");
    test.execute("BEGIN; CREATE TABLE c (a INTEGER REFERENCES p (a)); ROLLBACK; DROP TABLE p");
}

#[test]
fn sql_scripts_are_accepted() {
    let mut test = SimulatorFixture::new();
    let scripts = [
        include_str!("../../../../sql/redshift/create.sql"),
        include_str!("../../../../sql/redshift/create.sql"),
        include_str!("../../../../sql/redshift/stage.sql"),
        include_str!("../../../../sql/redshift/refresh.sql"),
        include_str!("../../../../sql/redshift/count.sql"),
        include_str!("../../../../sql/redshift/merge.sql"),
        include_str!("../../../../sql/redshift/verify.sql"),
        include_str!("../../../../sql/redshift/commit.sql"),
        include_str!("../../../../sql/redshift/drop.sql"),
    ];
    for script in scripts {
        // Only psql knows its commands and variables.
        let lines = script.lines().filter(|line| !line.starts_with('\\'));
        let sql = lines.collect::<Vec<_>>().join("\n");
        test.execute(&sql.replace(":'run'", "'x'"));
    }
}
