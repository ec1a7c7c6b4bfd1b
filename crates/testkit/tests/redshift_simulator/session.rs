//! Logging in, the connection protocol, and settings.

use tempfile::TempDir;
use testkit::redshift_simulator::{AuthMethod, RedshiftSimulator, SimulatorSettings};

use crate::fixture::{COPY_SQL, SimulatorFixture, assert_rejects_and_accepts, int_array};

#[test]
fn version_is_redshifts() {
    let mut test = SimulatorFixture::new();
    let version = test.query_rows("SELECT version()").remove(0);
    assert!(
        version.starts_with("PostgreSQL 8.0.2 on ") && version.ends_with(" Redshift 1.0.12345")
    );
    assert!(
        test.simulator
            .url()
            .starts_with("redshift://loader@127.0.0.1:")
    );
}

#[test]
fn wrong_password_is_rejected() {
    for method in [AuthMethod::Md5, AuthMethod::Cleartext] {
        let test = SimulatorFixture::with_settings(SimulatorSettings {
            method,
            ..SimulatorSettings::default()
        });
        let mut config = postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(test.simulator.database().port)
            .dbname(&test.simulator.database().name)
            .user("loader")
            .password("wrong");
        let error = config.connect(postgres::NoTls).err().unwrap();
        assert_eq!(error.code().unwrap().code(), "28000", "{method:?}");
    }
}

#[test]
fn driver_does_not_support_auth_method_13() {
    let buckets = TempDir::new().unwrap();
    let simulator = RedshiftSimulator::start(SimulatorSettings {
        method: AuthMethod::Sha256,
        buckets: buckets.path().to_owned(),
        ..SimulatorSettings::default()
    });
    let database = simulator.database();
    let error = postgres::Config::new()
        .host(&database.host)
        .port(database.port)
        .dbname(&database.name)
        .user(&database.user)
        .password(&database.password)
        .connect(postgres::NoTls)
        .err()
        .unwrap();
    let error = format!("{error:?}");
    assert!(error.contains("13"), "{error}");
}

#[test]
fn extended_protocol_accepts_only_queries() {
    let mut test = SimulatorFixture::new();
    test.execute("CREATE TABLE t (a INTEGER)");
    test.put_parquet(vec![("a", int_array(&[1]))]);
    for sql in [
        COPY_SQL,
        "BEGIN",
        "COMMIT",
        "CREATE TABLE u (a INTEGER)",
        "INSERT INTO t VALUES (1)",
    ] {
        let error = test.client.execute(sql, &[]).unwrap_err();
        assert!(
            format!("{error:?}").contains("extended protocol"),
            "{error:?}"
        );
    }
    let row = test
        .client
        .query_one("SELECT 1 + $1::INTEGER", &[&2])
        .unwrap();
    assert_eq!(row.get::<_, i32>(0), 3);
}

#[test]
fn missing_pg_catalogs_are_undefined() {
    let mut test = SimulatorFixture::new();
    let code = test.expect_error("SELECT * FROM pg_catalog.pg_range", "pg_range");
    assert_eq!(code, "42P01");
    test.expect_error("SELECT * FROM pg_enum", "pg_enum");
    test.execute("SELECT * FROM pg_catalog.pg_type");
}

#[test]
fn postgres_only_settings_are_rejected() {
    assert_rejects_and_accepts(
        &[
            ("SET lock_timeout = 5", "lock_timeout"),
            ("SHOW max_connections", "max_connections"),
        ],
        &[
            "SET query_group TO 'x'",
            "SET statement_timeout TO 60000",
            "SHOW search_path",
        ],
    );
}
