//! Command-line arguments: the precedence of arguments, environment and config file, and the validation of
//! IAM roles.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use sparkify::jobs::IamRole;
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::WarehouseKind;

use crate::support::test_warehouse::TestWarehouse;

/// Returns `sparkify create-tables --dry-run`, which does not connect.
fn create_tables_dry_run(warehouse: &TestWarehouse, arguments: &[&str]) -> Command {
    warehouse.sparkify(&[&["create-tables", "--dry-run"], arguments].concat())
}

#[track_caller]
fn assert_fails(command: &mut Command, code: i32, words: &[&str]) {
    let output = CommandOutput::run(command).assert_failure(code, words);
    assert!(!format!("{output:?}").contains("planted"), "{output:?}");
}

#[test]
fn warehouse_comes_from_flag_environment_or_file() {
    let warehouse = TestWarehouse::without_tables(WarehouseKind::Postgres);
    warehouse.write_file(
        "dwh.cfg",
        "[CLUSTER]\nHOST=h\nDB_USER=u\n[IAM_ROLE]\nARN='default'\n",
    );
    warehouse.write_file("empty.cfg", "[S3]\nLOG_DATA='s3://b/l'\n");
    let is_redshift = |command: &mut Command| {
        let output = CommandOutput::run(command).assert_success();
        output.stdout.contains("DISTSTYLE")
    };
    let postgres = "postgres://u@h/d";
    assert!(!is_redshift(&mut create_tables_dry_run(
        &warehouse,
        &["--warehouse", postgres]
    )));
    assert!(is_redshift(&mut create_tables_dry_run(
        &warehouse,
        &["--config", "dwh.cfg"]
    )));
    let mut variable = create_tables_dry_run(&warehouse, &["--config", "dwh.cfg"]);
    assert!(!is_redshift(
        variable.env("SPARKIFY_WAREHOUSE", "postgres://u:planted@h/d")
    ));
    let flag = ["--warehouse", "redshift://u@h"];
    let mut flag = create_tables_dry_run(&warehouse, &flag);
    assert!(is_redshift(flag.env("SPARKIFY_WAREHOUSE", postgres)));

    let none = "no warehouse is named; give --warehouse URL (postgres:// alone takes PGHOST, PGSERVICE and the like)";
    assert_fails(&mut create_tables_dry_run(&warehouse, &[]), 2, &[none]);
    assert_fails(
        &mut create_tables_dry_run(&warehouse, &["--config", "empty.cfg"]),
        2,
        &[none],
    );
    assert_fails(
        &mut create_tables_dry_run(&warehouse, &["--config", "none.cfg"]),
        1,
        &["cannot read none.cfg"],
    );
}

#[test]
fn invalid_arguments_fail_without_connecting() {
    let warehouse = TestWarehouse::without_tables(WarehouseKind::Postgres);
    warehouse.write_file(
        "keys.cfg",
        "[CLUSTER]\nHOST=h\nDB_USER=u\nDB_PASSWORD=planted\n[IAM_ROLE]\nARN=planted\n",
    );
    let assert_rejected = |arguments: &[&str], words: &[&str]| {
        assert_fails(&mut create_tables_dry_run(&warehouse, arguments), 2, words)
    };
    let refused = [
        "the --warehouse URL must not contain a password",
        "PGPASSWORD",
    ];
    assert_rejected(&["--warehouse", "redshift://u:planted@h/d"], &refused);
    assert_rejected(
        &["--warehouse", "postgres://h/d?password=planted"],
        &refused,
    );
    assert_rejected(
        &["--warehouse", "mysql://u:planted@h/d"],
        &["expected redshift:// or postgres://"],
    );
    let load = ["load", "--dry-run", "--from", "s3://b/p"];
    let role = ["--warehouse", "redshift://u@h", "--iam-role", "planted'"];
    assert_fails(
        &mut warehouse.sparkify(&[load, role].concat()),
        2,
        &["cannot use --iam-role", "12-digit"],
    );
    assert_rejected(
        &["--config", "keys.cfg"],
        &["cannot use ARN in keys.cfg, line 6", "12-digit"],
    );
    let mut variable = create_tables_dry_run(&warehouse, &["--warehouse", "redshift://u@h"]);
    assert_fails(
        variable.env("SPARKIFY_IAM_ROLE", "planted"),
        2,
        &["cannot use SPARKIFY_IAM_ROLE"],
    );
    let mut variable = create_tables_dry_run(&warehouse, &[]);
    assert_fails(
        variable.env("SPARKIFY_WAREHOUSE", "x://u:planted@h"),
        2,
        &["SPARKIFY_WAREHOUSE"],
    );
}

#[test]
fn iam_role_is_default_or_arn() {
    let one = "arn:aws:iam::123456789012:role/reader";
    for (text, sql) in [
        ("default", "default".to_owned()),
        ("DEFAULT", "default".to_owned()),
        (one, format!("'{one}'")),
        (
            "arn:aws-cn:iam::123456789012:role/a/b+c=d,e.f@g-h_i",
            "'arn:aws-cn:iam::123456789012:role/a/b+c=d,e.f@g-h_i'".to_owned(),
        ),
        (
            "arn:aws:iam::123456789012:role/a,arn:aws-us-gov:iam::210987654321:role/b",
            "'arn:aws:iam::123456789012:role/a,arn:aws-us-gov:iam::210987654321:role/b'".to_owned(),
        ),
    ] {
        assert_eq!(text.parse::<IamRole>().unwrap().to_string(), sql);
    }
}

#[test]
fn invalid_iam_role_is_rejected() {
    for text in [
        "",
        "reader",
        "aws_access_key_id=AKIA;aws_secret_access_key=planted",
        "arn:aws:iam::12345678901:role/a",
        "arn:aws:iam::1234567890123:role/a",
        "arn:aws:iam::12345678901x:role/a",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:user/a",
        "arn:aws:iam:us-east-1:123456789012:role/a",
        "arn:aws:s3::123456789012:role/a",
        "arn:gcp:iam::123456789012:role/a",
        "arn:aws:iam::123456789012:role/a' MAXERROR 5 --",
        "arn:aws:iam::123456789012:role/a\\",
        "arn:aws:iam::123456789012:role/a\n",
        "arn:aws:iam::123456789012:role/a b",
        "arn:aws:iam::123456789012:role/é",
        "arn:aws:iam::123456789012:role/a,arn:",
        "arn:aws:iam::123456789012:role/a;b",
        "default,arn:aws:iam::123456789012:role/a",
    ] {
        let why = text.parse::<IamRole>().unwrap_err();
        assert!(!why.contains("planted"), "{why}");
    }
}

#[test]
fn variables_that_are_not_text_are_named() {
    let warehouse = TestWarehouse::without_tables(WarehouseKind::Postgres);
    let value = OsStr::from_bytes(b"planted\xff");
    let url = ["--warehouse", "redshift://h"];
    for (name, arguments) in [
        ("SPARKIFY_WAREHOUSE", &[][..]),
        ("SPARKIFY_IAM_ROLE", &["--warehouse", "redshift://u@h"]),
        ("PGUSER", &url),
        ("PGPASSWORD", &url),
    ] {
        let mut command = create_tables_dry_run(&warehouse, arguments);
        let words = format!("invalid {name}: its value is not UTF-8 text; correct it");
        assert_fails(command.env(name, value), 2, &[&words]);
    }
}
