//! The arguments: what of them, of the environment and of a file counts, and which roles are roles.

use std::process::Command;

use sparkify::warehouse::iam_role::IamRole;

use crate::house::{Ended, House};

/// `sparkify create-tables --dry-run`, which connects to nothing.
fn dry_run(house: &House, arguments: &[&str]) -> Command {
    house.sparkify(&[&["create-tables", "--dry-run"], arguments].concat())
}

#[track_caller]
fn fails(command: &mut Command, code: i32, words: &[&str]) {
    let ended = Ended::of(command).fails(code, words);
    assert!(!format!("{ended:?}").contains("planted"), "{ended:?}");
}

#[test]
fn a_warehouse_is_named_by_flag_environment_or_file() {
    let house = House::without_tables();
    house.write(
        "dwh.cfg",
        "[CLUSTER]\nHOST=h\nDB_USER=u\n[IAM_ROLE]\nARN='default'\n",
    );
    house.write("empty.cfg", "[S3]\nLOG_DATA='s3://b/l'\n");
    let is_redshift = |command: &mut Command| {
        let ended = Ended::of(command).succeeds();
        ended.stdout.contains("DISTSTYLE")
    };
    let postgres = "postgres://u@h/d";
    assert!(!is_redshift(&mut dry_run(
        &house,
        &["--warehouse", postgres]
    )));
    assert!(is_redshift(&mut dry_run(&house, &["--config", "dwh.cfg"])));
    let mut variable = dry_run(&house, &["--config", "dwh.cfg"]);
    assert!(!is_redshift(
        variable.env("SPARKIFY_WAREHOUSE", "postgres://u:planted@h/d")
    ));
    let flag = ["--warehouse", "redshift://u@h"];
    let mut flag = dry_run(&house, &flag);
    assert!(is_redshift(flag.env("SPARKIFY_WAREHOUSE", postgres)));

    let none = "no warehouse is named; give --warehouse URL";
    fails(&mut dry_run(&house, &[]), 2, &[none]);
    fails(&mut dry_run(&house, &["--config", "empty.cfg"]), 2, &[none]);
    fails(
        &mut dry_run(&house, &["--config", "none.cfg"]),
        1,
        &["cannot read none.cfg"],
    );
}

#[test]
fn what_is_wrong_is_refused_without_a_connection() {
    let house = House::without_tables();
    house.write(
        "keys.cfg",
        "[CLUSTER]\nHOST=h\nDB_USER=u\nDB_PASSWORD=planted\n[IAM_ROLE]\nARN=planted\n",
    );
    let of = |arguments: &[&str], words: &[&str]| fails(&mut dry_run(&house, arguments), 2, words);
    let refused = ["--warehouse has a password in it", "PGPASSWORD"];
    of(&["--warehouse", "redshift://u:planted@h/d"], &refused);
    of(
        &["--warehouse", "postgres://h/d?password=planted"],
        &refused,
    );
    of(
        &["--warehouse", "mysql://u:planted@h/d"],
        &["neither redshift:// nor postgres://"],
    );
    of(
        &["--warehouse", "redshift://u@h", "--iam-role", "planted'"],
        &["cannot use --iam-role", "12 digits"],
    );
    of(
        &["--config", "keys.cfg"],
        &["cannot use ARN of [IAM_ROLE]", "12 digits"],
    );
    let mut variable = dry_run(&house, &["--warehouse", "redshift://u@h"]);
    fails(
        variable.env("SPARKIFY_IAM_ROLE", "planted"),
        2,
        &["cannot use SPARKIFY_IAM_ROLE"],
    );
    let mut variable = dry_run(&house, &[]);
    fails(
        variable.env("SPARKIFY_WAREHOUSE", "x://u:planted@h"),
        2,
        &["SPARKIFY_WAREHOUSE"],
    );
}

#[test]
fn roles_are_default_or_arns() {
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
fn nothing_else_is_a_role() {
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
