//! Logging in by IAM, to clusters and to workgroups.

use testkit::aws_api::{ApiAnswer, ApiFault};
use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::{FaultPoint, StatementMatcher};
use testkit::s3_server::server::REGION;

use crate::login_support::{
    CLUSTER_HOST, CLUSTER_LOGIN, LoginCloud, WORKGROUP_HOST, WORKGROUP_LOGIN,
};

#[test]
fn host_name_tells_cluster_workgroup_and_region() {
    let cloud = LoginCloud::new();
    for (host, action, name) in [
        (CLUSTER_HOST, CLUSTER_LOGIN, ("ClusterIdentifier", "music")),
        (
            WORKGROUP_HOST,
            WORKGROUP_LOGIN,
            ("workgroupName", "nightly"),
        ),
    ] {
        let url = format!("{}&iam=1", cloud.url(host));
        cloud.create_tables(&url).assert_success();
        cloud.assert_last_request(action, "eu-west-3");
        let request = cloud.api.requests().pop().unwrap();
        assert_eq!(request.text(name.0), Some(name.1));
        let database = request.text("DbName").or(request.text("dbName"));
        assert_eq!(database, Some(cloud.cluster.database().name.as_str()));
    }
}

#[test]
fn parameters_name_cluster_and_workgroup() {
    let cloud = LoginCloud::new();
    for (parameter, action) in [
        ("cluster=music", CLUSTER_LOGIN),
        ("workgroup=nightly", WORKGROUP_LOGIN),
    ] {
        let url = format!("{}&{parameter}", cloud.url("warehouse.example.com"));
        let arguments = ["create-tables", "--quiet", "--iam-login"];
        cloud.exec(&arguments, &url).assert_success();
        cloud.assert_last_request(action, REGION);
    }
    // The parameter counts, and the region is still that of the host name.
    let url = format!("{}&iam=1&cluster=music", cloud.url(WORKGROUP_HOST));
    cloud.create_tables(&url).assert_success();
    cloud.assert_last_request(CLUSTER_LOGIN, "eu-west-3");
}

#[test]
fn variable_and_file_ask_for_the_login() {
    let cloud = LoginCloud::new();
    let arguments = ["create-tables", "--quiet"];
    let mut command = cloud.warehouse_command(&arguments, &cloud.url(CLUSTER_HOST));
    command.env("SPARKIFY_IAM_LOGIN", "true");
    CommandOutput::run(&mut command).assert_success();
    cloud.assert_last_request(CLUSTER_LOGIN, "eu-west-3");

    let database = cloud.cluster.database();
    for (line, action) in [
        ("CLUSTER_ID = music", CLUSTER_LOGIN),
        ("WORKGROUP = nightly", WORKGROUP_LOGIN),
    ] {
        let text = format!(
            "[CLUSTER]\nHOST = 127.0.0.1\nDB_PORT = {}\nDB_NAME = {}\nIAM_LOGIN = true\n{line}\n",
            database.port, database.name
        );
        cloud.sandbox.write("dwh.cfg", text);
        let mut command = cloud.command(&["create-tables", "--quiet", "--config", "dwh.cfg"]);
        CommandOutput::run(&mut command).assert_success();
        cloud.assert_last_request(action, REGION);
    }
}

/// The simulator accepts each login once, so that one that is used again fails.
#[test]
fn each_try_has_a_new_login() {
    let cloud = LoginCloud::new();
    let url = format!("{}&iam=1", cloud.url(CLUSTER_HOST));
    cloud.create_tables(&url).assert_success();
    cloud.build_dataset();
    cloud.cluster.faults().clear();
    let before = cloud.temporary.passwords().len();
    let copy = StatementMatcher::containing("COPY ");
    cloud.cluster.faults().disconnect(FaultPoint::Before, copy);
    let output = cloud.load(&url);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(cloud.cluster.faults().fault_count(), 1);
    let logins = cloud.temporary.passwords().len() - before;
    assert!(logins >= 2, "{logins}");
    assert_eq!(logins, cloud.session_count());
}

#[test]
fn passwords_of_other_sources_are_not_used() {
    let cloud = LoginCloud::new();
    let url = format!("{}&iam=1", cloud.url(CLUSTER_HOST));
    let mut command = cloud.warehouse_command(&["create-tables", "--quiet"], &url);
    command.env("PGPASSWORD", "wrong").env("PGUSER", "nobody");
    CommandOutput::run(&mut command).assert_success();
}

#[test]
fn settings_that_contradict_each_other_are_usage_errors() {
    let cloud = LoginCloud::new();
    let url = cloud.url(CLUSTER_HOST);
    let with_user = url.replace("redshift://", "redshift://etl@");
    let with_password = url.replace("redshift://", "redshift://:planted@");
    let elsewhere = cloud.url("warehouse.example.com");
    for (url, reason) in [
        (
            format!("{with_user}&iam=1"),
            "a user in the URL has no effect, because IAM returns user and password",
        ),
        (
            format!("{with_password}&iam=1"),
            "a password in the URL has no effect, because IAM returns user and password",
        ),
        (
            format!("{elsewhere}&iam=1"),
            "host warehouse.example.com tells no cluster or workgroup",
        ),
        (
            format!("{url}&iam=1&cluster=a&workgroup=b"),
            "a cluster and a workgroup are named",
        ),
        (format!("{url}&iam=maybe"), "iam must be 1 or 0"),
        (
            format!("{}&iam=1", with_user.replace("redshift://", "postgres://")),
            "only Redshift has logins by IAM",
        ),
    ] {
        // A password in the URL of the flag is refused before.
        let mut command = cloud.command(&["create-tables"]);
        command.env("SPARKIFY_WAREHOUSE", &url);
        let output = CommandOutput::run(&mut command).assert_failure(2, &[reason]);
        assert!(!output.stderr.contains("planted"), "{output:?}");
    }
    assert_eq!(cloud.api.actions(), Vec::<String>::new());
}

#[test]
fn refused_requests_say_what_to_do() {
    let cloud = LoginCloud::new();
    for (host, action, permission, failure) in [
        (
            CLUSTER_HOST,
            CLUSTER_LOGIN,
            "redshift:GetClusterCredentialsWithIAM",
            "cannot get a login for cluster 'music' in region eu-west-3",
        ),
        (
            WORKGROUP_HOST,
            WORKGROUP_LOGIN,
            "redshift-serverless:GetCredentials",
            "cannot get a login for workgroup 'nightly' in region eu-west-3",
        ),
    ] {
        let url = format!("{}&iam=1", cloud.url(host));
        let denied = ApiAnswer::error("AccessDeniedException", "User: x is not authorized");
        cloud.api.inject(action, ApiFault::Answer(denied));
        let hint = format!("the credentials need the permission {permission}");
        cloud
            .create_tables(&url)
            .assert_failure(1, &[failure, "not authorized", &hint]);
    }
}

#[test]
fn unknown_cluster_or_workgroup_is_named() {
    let cloud = LoginCloud::new();
    let names = [
        ("cluster=typo", "cluster 'typo'", "Cluster typo not found"),
        (
            "workgroup=typo",
            "workgroup 'typo'",
            "Workgroup typo not found",
        ),
    ];
    for (parameter, name, reason) in names {
        let url = format!("{}&iam=1&{parameter}", cloud.url(CLUSTER_HOST));
        let hint = "check the host name and the AWS account";
        cloud
            .create_tables(&url)
            .assert_failure(1, &[name, reason, hint]);
    }
}

#[test]
fn throttled_request_is_sent_again() {
    let cloud = LoginCloud::new();
    let throttled = ApiAnswer::error("Throttling", "Rate exceeded");
    cloud.api.inject(CLUSTER_LOGIN, ApiFault::Answer(throttled));
    let url = format!("{}&iam=1", cloud.url(CLUSTER_HOST));
    cloud.create_tables(&url).assert_success();
    let requests = cloud.api.actions().len();
    assert_eq!(requests, cloud.temporary.passwords().len() + 1);
}

#[test]
fn login_needs_credentials() {
    let cloud = LoginCloud::new();
    let url = format!("{}&iam=1", cloud.url(CLUSTER_HOST));
    let mut command = cloud.warehouse_command(&["create-tables", "--quiet"], &url);
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
    CommandOutput::run(&mut command).assert_failure(1, &["AWS", "credentials"]);
    assert_eq!(cloud.api.actions(), Vec::<String>::new());
}
