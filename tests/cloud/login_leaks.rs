//! Temporary passwords, secrets and the credentials of AWS appear in no output.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use testkit::aws_api::{ApiAnswer, ApiFault};
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::{FaultPoint, StatementMatcher, USER};
use testkit::s3_server::server::SECRET_KEY;

use crate::login_support::{CLUSTER_HOST, CLUSTER_LOGIN, LoginCloud, SECRET};

const SESSION_TOKEN: &str = "ThisSessionTokenMustNeverBeSeen1";
const SECRET_PASSWORD: &str = "ThisSecretPasswordMustNeverBeSeen1";
/// The part of all temporary passwords that is in no other text.
const TEMPORARY_PASSWORD: &str = "ThisTemporaryPasswordMustNeverBeSeen";

#[track_caller]
fn assert_no_secret(place: &str, bytes: &[u8]) {
    for secret in [
        SESSION_TOKEN,
        SECRET_PASSWORD,
        TEMPORARY_PASSWORD,
        SECRET_KEY,
    ] {
        let is_in = bytes
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!is_in, "{secret} is in {place}");
    }
}

/// Asserts that no file below a folder has a secret, and returns the number of files.
#[track_caller]
fn assert_no_secret_below(folder: &Path) -> usize {
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count += assert_no_secret_below(&path);
        } else {
            assert_no_secret(&path.display().to_string(), &fs::read(&path).unwrap());
            count += 1;
        }
    }
    count
}

/// Returns the arguments of all processes.
fn process_list() -> Vec<u8> {
    let processes = fs::read_dir("/proc").unwrap();
    let arguments = processes.map_while(Result::ok);
    arguments
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .flatten()
        .collect()
}

/// Loads with everything that is written about a load, and asserts that nothing of it has a secret.
#[track_caller]
fn load_and_search(cloud: &LoginCloud, login: &[&str], expected_code: i32) {
    let arguments = [
        "load",
        "--json",
        "--from",
        "s3://datasets/star",
        "--metrics",
        "load.prom",
        "--openlineage",
        "events.jsonl",
    ];
    for log in [&["-vv"][..], &["-vv", "--log-format", "json"], &[]] {
        let arguments = [&arguments, login, log].concat();
        let mut command = cloud.warehouse_command(&arguments, &cloud.url(CLUSTER_HOST));
        command.env("AWS_SESSION_TOKEN", SESSION_TOKEN);
        if log.is_empty() {
            command.env("RUST_LOG", "trace");
        }
        let output = CommandOutput::run(&mut command);
        assert_eq!(output.code, Some(expected_code), "{output:?}");
        assert!(!output.stderr.is_empty());
        assert_no_secret("stdout", output.stdout.as_bytes());
        assert_no_secret("stderr", output.stderr.as_bytes());
    }
    // The metrics, the events and the dataset.
    assert!(assert_no_secret_below(cloud.sandbox.root()) >= 4);
    assert!(assert_no_secret_below(&cloud.s3.bucket("datasets")) >= 5);
    let statements = cloud.cluster.faults().statements().join("\n");
    assert_no_secret("the statements", statements.as_bytes());
    let mut client = cloud.cluster.backend_client();
    for row in client
        .query("SELECT load_history::text FROM load_history", &[])
        .unwrap()
    {
        assert_no_secret("load_history", row.get::<_, String>(0).as_bytes());
    }
}

/// Returns a warehouse with tables, and a dataset.
fn prepared() -> LoginCloud {
    let cloud = LoginCloud::new();
    let url = format!("{}&iam=1", cloud.url(CLUSTER_HOST));
    cloud.create_tables(&url).assert_success();
    cloud.build_dataset();
    let password = serde_json::json!({"username": USER, "password": SECRET_PASSWORD});
    cloud.secrets.put(SECRET, &password.to_string());
    cloud.cluster.logins().set_password(USER, SECRET_PASSWORD);
    cloud
}

const LOGINS: [&[&str]; 2] = [&["--iam-login"], &["--password-secret", SECRET]];

#[test]
fn loads_show_no_secret() {
    let cloud = prepared();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = seen.clone();
    cloud.cluster.faults().on_statement(
        FaultPoint::Before,
        StatementMatcher::any().times(1_000_000),
        move |_| list.lock().unwrap().push(process_list()),
    );
    for login in LOGINS {
        load_and_search(&cloud, login, 0);
        let history = [&["history", "--json"], login].concat();
        let output = cloud.exec(&history, &cloud.url(CLUSTER_HOST));
        assert_eq!(output.code, Some(0), "{output:?}");
        assert_no_secret("history", output.stdout.as_bytes());
    }
    let seen = seen.lock().unwrap();
    assert!(!seen.is_empty());
    for list in seen.iter() {
        assert_no_secret("the process list", list);
    }
}

#[test]
fn failed_loads_show_no_secret() {
    let cloud = prepared();
    for login in LOGINS {
        let copy = StatementMatcher::containing("COPY ").times(1_000);
        let faults = cloud.cluster.faults();
        faults.fail(copy, "42501", "permission denied");
        load_and_search(&cloud, login, 1);
        cloud.cluster.faults().clear();
    }
    // The login itself is refused.
    for _ in 0..3 {
        let denied = ApiAnswer::error("AccessDeniedException", "User: x is not authorized");
        cloud.api.inject(CLUSTER_LOGIN, ApiFault::Answer(denied));
    }
    load_and_search(&cloud, LOGINS[0], 1);
    cloud.cluster.logins().set_password(USER, "another one");
    load_and_search(&cloud, LOGINS[1], 1);
}
