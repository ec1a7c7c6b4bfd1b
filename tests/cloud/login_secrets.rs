//! Passwords in Secrets Manager.

use testkit::aws_api::{ApiAnswer, ApiFault};
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::{FaultPoint, PASSWORD, StatementMatcher, USER};

use crate::login_support::{CLUSTER_HOST, LoginCloud, SECRET, SECRET_VALUE};

const CREATE: [&str; 4] = ["create-tables", "--quiet", "--password-secret", SECRET];

/// Returns a secret as Redshift stores those that it manages.
fn managed_secret(user: &str, password: &str) -> String {
    let fields = serde_json::json!({"username": user, "password": password, "engine": "redshift"});
    fields.to_string()
}

fn with_user(url: &str, user: &str) -> String {
    url.replace("redshift://", &format!("redshift://{user}@"))
}

#[test]
fn secret_has_user_and_password_or_the_password_alone() {
    let cloud = LoginCloud::new();
    let url = cloud.url(CLUSTER_HOST);
    cloud.secrets.put(SECRET, &managed_secret(USER, PASSWORD));
    cloud.exec(&CREATE, &url).assert_success();
    cloud.assert_last_request(SECRET_VALUE, "eu-west-3");
    cloud.exec(&CREATE, &with_user(&url, USER)).assert_success();

    cloud.secrets.put(SECRET, PASSWORD);
    cloud.exec(&CREATE, &with_user(&url, USER)).assert_success();
    let words = ["there is no user name in secret", SECRET];
    cloud.exec(&CREATE, &url).assert_failure(1, &words);
}

#[test]
fn two_different_users_are_an_error() {
    let cloud = LoginCloud::new();
    cloud.secrets.put(SECRET, &managed_secret(USER, PASSWORD));
    let words = [
        "the user is 'somebody'",
        &format!("'{USER}' in secret {SECRET}"),
        "remove the user from the settings",
    ];
    let url = with_user(&cloud.url(CLUSTER_HOST), "somebody");
    cloud.exec(&CREATE, &url).assert_failure(1, &words);
}

#[test]
fn rotated_password_is_read_before_each_connection() {
    let cloud = LoginCloud::new();
    let url = cloud.url(CLUSTER_HOST);
    let load = |cloud: &LoginCloud| {
        let from = ["load", "--quiet", "--from", "s3://datasets/star"];
        let output = cloud.exec(&[&from[..], &CREATE[2..]].concat(), &url);
        assert_eq!(output.code, Some(0), "{output:?}");
    };
    cloud.secrets.put(SECRET, &managed_secret(USER, PASSWORD));
    cloud.exec(&CREATE, &url).assert_success();
    cloud.build_dataset();
    load(&cloud);

    // It is rotated between two loads.
    cloud.cluster.logins().set_password(USER, "rotated once");
    cloud
        .secrets
        .put(SECRET, &managed_secret(USER, "rotated once"));
    load(&cloud);

    // And while a load has lost its connection.
    let (logins, secrets) = (cloud.cluster.logins().clone(), cloud.secrets.clone());
    let copy = || StatementMatcher::containing("LOCK ");
    let faults = cloud.cluster.faults();
    faults.on_statement(FaultPoint::Before, copy(), move |_| {
        logins.set_password(USER, "rotated twice");
        secrets.put(SECRET, &managed_secret(USER, "rotated twice"));
    });
    faults.disconnect(FaultPoint::Before, copy());
    load(&cloud);
    assert_eq!(cloud.cluster.faults().fault_count(), 1);
}

#[test]
fn file_names_the_secret_and_other_passwords_take_precedence() {
    let cloud = LoginCloud::new();
    let database = cloud.cluster.database();
    let text = format!(
        "[CLUSTER]\nHOST = 127.0.0.1\nDB_PORT = {}\nDB_NAME = {}\nDB_USER = {USER}\nPASSWORD_SECRET = {SECRET}\n",
        database.port, database.name
    );
    cloud.sandbox.write("dwh.cfg", text);
    let command = || cloud.command(&["create-tables", "--quiet", "--config", "dwh.cfg"]);
    cloud.secrets.put(SECRET, PASSWORD);
    CommandOutput::run(&mut command()).assert_success();
    assert!(!cloud.api.actions().is_empty());

    // PGPASSWORD comes before the file, and the flag before PGPASSWORD.
    let before = cloud.api.actions().len();
    cloud.secrets.put(SECRET, "wrong");
    let mut with_variable = command();
    CommandOutput::run(with_variable.env("PGPASSWORD", PASSWORD)).assert_success();
    assert_eq!(cloud.api.actions().len(), before);
    cloud.secrets.put(SECRET, PASSWORD);
    let mut with_flag = command();
    with_flag.env("PGPASSWORD", "wrong").args(&CREATE[2..]);
    CommandOutput::run(&mut with_flag).assert_success();
}

#[test]
fn secret_that_cannot_be_read_says_why() {
    let cloud = LoginCloud::new();
    let url = with_user(&cloud.url(CLUSTER_HOST), USER);
    let failure = format!("cannot read secret {SECRET}");
    let fails = |words: [&str; 2]| {
        let words = [&failure[..], words[0], words[1]];
        let output = cloud.exec(&CREATE, &url).assert_failure(1, &words);
        assert!(!output.stderr.contains("planted"), "{output:?}");
    };
    fails(["ResourceNotFoundException", "check the ARN"]);
    cloud.secrets.mark_for_deletion(SECRET);
    fails(["marked for deletion", "restore-secret"]);
    cloud.secrets.put_binary(SECRET);
    fails(["binary data instead of a text", "or the password alone"]);
    cloud.secrets.put(SECRET, r#"{"username": "planted"}"#);
    fails(["it has no key 'password'", "or the password alone"]);
    cloud.secrets.put(SECRET, r#"{"password": ["planted"]}"#);
    fails(["its username or password is not a text", ""]);
    let denied = ApiAnswer::error("AccessDeniedException", "User: x is not authorized");
    cloud.api.inject(SECRET_VALUE, ApiFault::Answer(denied));
    fails(["not authorized", "secretsmanager:GetSecretValue"]);
}

#[test]
fn invalid_arn_is_a_usage_error() {
    let cloud = LoginCloud::new();
    let arguments = ["create-tables", "--password-secret", "music"];
    cloud
        .exec(&arguments, &cloud.url(CLUSTER_HOST))
        .assert_failure(2, &["cannot use --password-secret", "must be an ARN"]);
}
