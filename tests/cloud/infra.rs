//! `sparkify infra` from nothing to a warehouse and back.

use std::fs;
use std::process::{Command, Stdio};

use testkit::aws_api::{
    AwsApi, CloudAccount, CloudFormation, RedshiftClusters, RedshiftServerless,
};
use testkit::cli::output::{CommandOutput, wait_for_output};
use testkit::cli::sandbox::Sandbox;

/// What `up` needs to create a stack.
pub const UP: [&str; 7] = [
    "infra",
    "up",
    "--yes",
    "--allowed-cidr",
    "10.64.0.0/22",
    "--out",
    "s3://bucket/star",
];

/// What makes the warehouse of `up` a cluster.
pub const CLUSTER: [&str; 6] = [
    "--kind",
    "cluster",
    "--node-type",
    "ra3.xlplus",
    "--nodes",
    "2",
];

/// An account with the services that the commands use, and a folder to run them in.
pub struct Cloud {
    pub account: CloudAccount,
    pub api: AwsApi,
    pub sandbox: Sandbox,
}

impl Cloud {
    pub fn new() -> Self {
        Self::with_account(CloudAccount::default())
    }

    /// Starts the services of an account anew, so that requests are counted from 1.
    pub fn with_account(account: CloudAccount) -> Self {
        let api = AwsApi::start(vec![
            Box::new(CloudFormation::new(&account)),
            Box::new(RedshiftClusters::new(&account)),
            Box::new(RedshiftServerless::new(&account)),
        ]);
        Self {
            account,
            api,
            sandbox: Sandbox::new(),
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(arguments);
        self.api.configure(&mut command);
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn exec(&self, arguments: &[&str]) -> CommandOutput {
        let child = self.command(arguments).spawn().unwrap();
        wait_for_output(std::time::Duration::from_secs(120), child)
    }

    /// Creates a warehouse, with more arguments.
    pub fn up(&self, more: &[&str]) -> CommandOutput {
        self.exec(&[&UP, more].concat())
    }

    pub fn config(&self) -> String {
        fs::read_to_string(self.sandbox.path("dwh.cfg")).unwrap()
    }

    /// Returns the requests that change something.
    pub fn changes(&self) -> Vec<String> {
        let reads = ["Describe", "Get", "List"];
        let mut actions = self.api.actions();
        actions.retain(|action| !reads.iter().any(|read| action.starts_with(read)));
        actions
    }
}

#[test]
fn serverless_warehouse_comes_and_goes() {
    let cloud = Cloud::new();
    let up = cloud.up(&["--json", "--usage-limit", "40"]);
    assert_eq!(up.code, Some(0), "{up:?}");
    let document = up.json();
    assert_eq!(document["result"], "created");
    assert_eq!(document["parameters"]["BaseCapacity"], "4");
    assert_eq!(document["hourly_cost"]["busy_usd"], 1.5);
    assert_eq!(document["usage_limit_rpu_hours"], 40);
    for words in [
        "AWS::RedshiftServerless::Workgroup  Workgroup",
        "1.50 USD an hour while queries run",
        "usage limit: 40 RPU-hours a month, 15.00 USD",
        "created stack sparkify",
    ] {
        assert!(up.stderr.contains(words), "{words}: {}", up.stderr);
    }
    assert_eq!(
        cloud.config(),
        "# Written by `sparkify infra up` for stack sparkify in us-west-2.\n\
         # The password is in AWS Secrets Manager, and nowhere else.\n\
         [CLUSTER]\n\
         HOST = sparkify.123456789012.us-west-2.redshift-serverless.amazonaws.com\n\
         DB_NAME = sparkify\nDB_USER = sparkify_admin\nDB_PORT = 5439\n\
         PASSWORD_SECRET = arn:aws:secretsmanager:us-west-2:123456789012:secret:redshift!sparkify-admin\n\
         [IAM_ROLE]\nARN = arn:aws:iam::123456789012:role/sparkify-copy-us-west-2\n"
    );
    assert_eq!(cloud.account.lock().usage_limits[0].2, 40);

    // The same again changes nothing, with all flags or with none.
    for again in [
        cloud.up(&["--json"]),
        cloud.exec(&["infra", "up", "--json"]),
    ] {
        assert_eq!(again.json()["result"], "unchanged", "{again:?}");
    }
    assert_eq!(cloud.changes(), ["CreateStack", "CreateUsageLimit"]);

    let status = cloud.exec(&["infra", "status", "--json"]).assert_success();
    let status = status.json();
    assert_eq!(status["stack_status"], "CREATE_COMPLETE");
    assert_eq!(status["warehouse"]["kind"], "serverless");
    assert_eq!(status["warehouse"]["usage_limit_rpu_hours"], 40);
    let pause = cloud.exec(&["infra", "pause"]);
    let words = "it costs nothing while no query runs";
    assert!(
        pause.code == Some(0) && pause.stderr.contains(words),
        "{pause:?}"
    );

    let down = cloud.exec(&["infra", "down", "--yes", "--json"]);
    assert_eq!(down.code, Some(0), "{down:?}");
    let snapshot = down.json()["final_snapshot"].as_str().unwrap().to_owned();
    assert!(snapshot.starts_with("sparkify-final-"), "{snapshot}");
    assert!(cloud.account.lock().is_empty());
    let status = cloud.exec(&["infra", "status"]).assert_success().stdout;
    assert!(status.starts_with("stack: there is no sparkify in us-west-2\n"));
    assert!(status.contains(&snapshot), "{status}");

    let down = ["infra", "down", "--no-final-snapshot", "--delete-snapshots"];
    let down = cloud.exec(&[&down[..], &["--yes"]].concat());
    assert!(
        down.stderr.contains("nothing is left that costs money"),
        "{down:?}"
    );
    assert!(cloud.account.lock().snapshots.is_empty());
}

#[test]
fn cluster_is_paused_resumed_and_removed() {
    let cloud = Cloud::new();
    let up = cloud.up(&CLUSTER);
    assert!(up.stderr.contains("2.17 USD an hour"), "{up:?}");
    assert!(cloud.config().contains("PASSWORD_SECRET = arn:"));
    let cluster = || cloud.account.lock().clusters["sparkify"].status.clone();
    for (command, words, status) in [
        ("pause", "is paused now", "paused"),
        ("pause", "is paused already", "paused"),
        ("resume", "is available now", "available"),
        ("resume", "is available already", "available"),
        ("pause", "is paused now", "paused"),
    ] {
        let output = cloud.exec(&["infra", command]);
        assert!(output.stderr.contains(words), "{output:?}");
        assert_eq!(cluster(), status);
    }
    let status = cloud.exec(&["infra", "status", "--json"]).json();
    assert_eq!(status["warehouse"]["hourly_cost"]["busy_usd"], 0.0);

    // A paused cluster takes no snapshot, so that it is resumed first.
    let down = cloud.exec(&["infra", "down", "--yes", "--final-snapshot", "last"]);
    assert_eq!(down.code, Some(0), "{down:?}");
    let account = cloud.account.lock();
    assert!(account.is_empty());
    assert_eq!(account.snapshots[0].name, "last");
}

#[test]
fn flags_that_are_left_out_keep_their_values() {
    let cloud = Cloud::new();
    cloud.up(&["--base-capacity", "8"]);
    let up = cloud.exec(&["infra", "up", "--yes", "--max-capacity", "16", "--json"]);
    let document = up.json();
    assert_eq!(document["result"], "updated", "{up:?}");
    let change = serde_json::json!([{"name": "MaxCapacity", "from": "8", "to": "16"}]);
    assert_eq!(document["changes"], change);
    let capacity = ("8".to_owned(), "16".to_owned());
    assert_eq!(cloud.account.lock().workgroups["sparkify"], capacity);
    let other = cloud.exec(&["infra", "up", "--yes", "--kind", "cluster"]);
    other.assert_failure(2, &["cannot change WarehouseKind", "without its data"]);
}

#[test]
fn nothing_is_changed_without_consent() {
    let cloud = Cloud::new();
    let up = [&UP[..2], &UP[3..]].concat();
    let refused = cloud.exec(&[&up[..], &["--quiet"]].concat());
    refused.assert_failure(1, &["nothing was changed", "not a terminal", "--yes"]);
    let dry_run = cloud.exec(&[&up[..], &["--dry-run", "--json"]].concat());
    assert_eq!(dry_run.json()["result"], "planned", "{dry_run:?}");
    cloud
        .exec(&["infra", "up", "--yes"])
        .assert_failure(2, &["missing --allowed-cidr and --out"]);
    assert_eq!(cloud.changes(), Vec::<String>::new());
    cloud.up(&[]);
    let down = cloud.exec(&["infra", "down", "--quiet"]);
    down.assert_failure(1, &["nothing was changed", "--yes"]);
    assert!(!cloud.account.lock().is_empty());
}

#[test]
fn config_file_of_somebody_else_is_kept() {
    let cloud = Cloud::new();
    cloud.sandbox.write("dwh.cfg", "[CLUSTER]\nHOST = mine\n");
    cloud
        .up(&["--quiet"])
        .assert_failure(1, &["cannot write dwh.cfg", "--force"]);
    assert_eq!(cloud.changes(), Vec::<String>::new());
    assert_eq!(cloud.config(), "[CLUSTER]\nHOST = mine\n");
    cloud.up(&["--quiet", "--force"]).assert_success();
    assert!(cloud.config().contains("PASSWORD_SECRET"));
}
