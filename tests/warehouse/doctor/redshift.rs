//! Faults of a cluster, of its role and of the bucket that it reads.

use std::process::Command;
use std::time::Duration;

use testkit::cli::checks::Checks;
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;
use testkit::cli::stopped_command::{Signal, StopOutcome, stop_command};
use testkit::redshift_simulator::{
    AuthMethod, FaultPoint, IAM_ROLE_ARN, PASSWORD, RedshiftSimulator, SimulatorSettings,
    StatementMatcher,
};
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::server::S3Server;

/// A host name that tells a cluster in the region of the test server.
const HOST: &str = "music.abc123.us-east-1.redshift.amazonaws.com";

/// A cluster with all tables, and a bucket.
struct Surroundings {
    sandbox: Sandbox,
    s3: S3Server,
    cluster: RedshiftSimulator,
}

impl Surroundings {
    fn start(faults: FaultPlan, settings: SimulatorSettings) -> Self {
        let s3 = S3Server::with_faults(faults);
        let bucket = s3.bucket("music");
        let cluster = RedshiftSimulator::start(SimulatorSettings {
            buckets: bucket.parent().unwrap().to_owned(),
            ..settings
        });
        Self {
            sandbox: Sandbox::new(),
            s3,
            cluster,
        }
    }

    fn healthy() -> Self {
        let surroundings = Self::start(FaultPlan::new(), SimulatorSettings::default());
        surroundings.create_tables();
        surroundings
    }

    fn create_tables(&self) {
        let mut command = self.command(&["create-tables", "--quiet", "--warehouse"]);
        command.arg(self.cluster.url());
        CommandOutput::run(&mut command).assert_success();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(arguments);
        command
            .envs(self.s3.env_vars())
            .env("PGPASSWORD", PASSWORD)
            .env("PGSSLMODE", "disable")
            .env("SPARKIFY_IAM_ROLE", IAM_ROLE_ARN);
        command
    }

    /// Returns the checkup of the cluster by this host name.
    fn doctor_command(&self, host: &str) -> Command {
        let arguments = [
            "doctor",
            "--json",
            "--out",
            "s3://music/dataset",
            "--warehouse",
        ];
        let mut command = self.command(&arguments);
        let url = self.cluster.url().replace("127.0.0.1", host);
        command.arg(format!("{url}?hostaddr=127.0.0.1"));
        // No role is attached that AWS could be asked for.
        command.env("AWS_ENDPOINT_URL_REDSHIFT", "http://127.0.0.1:1");
        command
    }

    fn doctor(&self, host: &str) -> Checks {
        Checks::from_output(CommandOutput::run(&mut self.doctor_command(host)))
    }

    /// Asserts that nothing is left in the bucket and in the warehouse.
    #[track_caller]
    fn assert_nothing_left(&self, case: &str) {
        let objects: Vec<_> = self.s3.objects("music").into_keys().collect();
        assert_eq!(objects, Vec::<String>::new(), "{case}");
        let query = "SELECT count(*) FROM pg_class WHERE relname LIKE '%doctor%'";
        let mut client = self.cluster.backend_client();
        let left = || client.query_one(query, &[]).unwrap().get::<_, i64>(0);
        let gone = std::iter::repeat_with(left).take(200).any(|left| {
            std::thread::sleep(Duration::from_millis(10));
            left == 0
        });
        assert!(gone, "{case}");
    }
}

#[test]
fn healthy_cluster_passes_all_checks() {
    let surroundings = Surroundings::healthy();
    let checks = surroundings.doctor(HOST);
    checks.assert_no_failure(&["aws-credentials", "cluster-role"]);
    let names = [
        "tables",
        "privileges",
        "table-rows",
        "cluster-region",
        "bucket-policy",
        "role-reads",
    ];
    let ok = checks.with_status("ok");
    assert!(ok.ends_with(&names), "{ok:?}");
    surroundings.assert_nothing_left("healthy");
    // A host name that does not tell the cluster.
    let checks = surroundings.doctor("warehouse.example.com");
    checks.assert_no_failure(&["aws-credentials", "cluster-role", "cluster-region"]);
    assert_eq!(checks.field("role-reads", "status"), "ok");
}

#[test]
fn faults_of_the_cluster_are_named_once() {
    let surroundings = Surroundings::healthy();
    let check = |case: &str, command: &mut Command, id: &str, remedy: &str| {
        let checks = Checks::from_output(CommandOutput::run(command));
        checks.assert_only_failure(case, id, remedy);
        surroundings.assert_nothing_left(case);
    };
    let elsewhere = "music.abc123.eu-west-1.redshift.amazonaws.com";
    check(
        "another region",
        &mut surroundings.doctor_command(elsewhere),
        "cluster-region",
        "choose an --out in a bucket in eu-west-1",
    );
    let other_role = "arn:aws:iam::123456789012:role/unknown";
    check(
        "another role",
        surroundings
            .doctor_command(HOST)
            .env("SPARKIFY_IAM_ROLE", other_role),
        "role-reads",
        "check that the role is attached to the cluster",
    );
    check(
        "wrong password",
        surroundings
            .doctor_command(HOST)
            .env("PGPASSWORD", "planted-password"),
        "warehouse-login",
        "",
    );
    let drop = "DROP TABLE load_history, state_songs, songs, songplays CASCADE";
    surroundings
        .cluster
        .backend_client()
        .batch_execute(drop)
        .unwrap();
    check(
        "no tables",
        &mut surroundings.doctor_command(HOST),
        "tables",
        "create all tables with sparkify create-tables",
    );
}

#[test]
fn password_hash_that_the_driver_does_not_know_is_explained() {
    let surroundings = Surroundings::start(
        FaultPlan::new(),
        SimulatorSettings {
            method: AuthMethod::Sha256,
            ..SimulatorSettings::default()
        },
    );
    let checks = surroundings.doctor(HOST);
    checks.assert_only_failure("method 13", "warehouse-login", "stored as MD5");
    let message = checks.field("warehouse-login", "message");
    assert!(message.contains("authentication method 13"), "{message}");
    surroundings.assert_nothing_left("method 13");
}

#[test]
fn bucket_in_another_region_is_found_by_copy() {
    let surroundings = Surroundings::start(
        FaultPlan::new(),
        SimulatorSettings {
            other_region_buckets: vec![("music".to_owned(), "eu-west-1".to_owned())],
            ..SimulatorSettings::default()
        },
    );
    surroundings.create_tables();
    let checks = surroundings.doctor("warehouse.example.com");
    checks.assert_only_failure("region", "role-reads", "check that the role is attached");
    let message = checks.field("role-reads", "message");
    assert!(message.contains("PermanentRedirect"), "{message}");
    surroundings.assert_nothing_left("region");
}

#[test]
fn bucket_policy_that_forbids_presigned_urls_is_named() {
    for (case, condition) in [
        (
            "authType",
            r#"{"StringNotEquals": {"s3:authType": "REST-HEADER"}}"#,
        ),
        (
            "signatureAge",
            r#"{"NumericGreaterThan": {"s3:signatureAge": "600000"}}"#,
        ),
    ] {
        let policy = format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Sid": "OnlySigned", "Effect": "Deny", "Principal": "*",
                "Action": "s3:*", "Resource": "arn:aws:s3:::music/*", "Condition": {condition}}}]}}"#
        );
        let faults = FaultPlan::new().with_bucket_policy(&policy);
        let surroundings = Surroundings::start(faults, SimulatorSettings::default());
        surroundings.create_tables();
        let checks = surroundings.doctor(HOST);
        checks.assert_only_failure(case, "bucket-policy", "let the statement except the role");
        let message = checks.field("bucket-policy", "message");
        assert!(
            message.starts_with("statement OnlySigned in the policy of bucket music"),
            "{message}"
        );
        surroundings.assert_nothing_left(case);
    }
}

/// In Redshift a role may grant what the check does not find.
#[test]
fn missing_privilege_is_a_warning() {
    let surroundings = Surroundings::healthy();
    let name = &surroundings.cluster.database().name;
    let hide = format!(
        "CREATE FUNCTION public.has_table_privilege(name TEXT, privilege TEXT) RETURNS BOOLEAN LANGUAGE sql
         AS $$ SELECT name <> 'users' $$;
         ALTER DATABASE {name} SET search_path = public, pg_catalog"
    );
    surroundings
        .cluster
        .backend_client()
        .batch_execute(&hide)
        .unwrap();
    let checks = surroundings.doctor(HOST);
    assert_eq!(checks.with_status("warning"), ["privileges"]);
    let remedy = checks.field("privileges", "remedy");
    assert!(
        remedy.contains("GRANT SELECT, INSERT, UPDATE ON users TO"),
        "{remedy}"
    );
}

/// The signal comes while Redshift copies the probe.
#[test]
fn signal_during_the_copy_leaves_nothing() {
    let surroundings = Surroundings::healthy();
    let copy = StatementMatcher::containing("COPY sparkify_doctor_probe");
    let pause = |_: &_| std::thread::sleep(Duration::from_millis(500));
    let faults = surroundings.cluster.faults();
    faults.on_statement(FaultPoint::Before, copy, pause);
    let wait = || {
        let is_there = || !surroundings.s3.objects("music").is_empty();
        while !is_there() {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let mut command = surroundings.doctor_command(HOST);
    let (outcome, output) = stop_command(&mut command, Signal::TERM, wait);
    assert_eq!(outcome, StopOutcome::Stopped, "{output:?}");
    surroundings.assert_nothing_left("signal");
}

/// What AWS says of the roles of a cluster.
#[cfg(feature = "cloud")]
mod attached_roles {
    use testkit::aws_api::{ApiAnswer, ApiRequest, AwsApi, AwsService};

    use super::*;

    /// A cluster, and the workgroup of the same name, with this role.
    struct RedshiftApi(&'static str);

    impl AwsService for RedshiftApi {
        fn answer(&mut self, request: &ApiRequest) -> Option<ApiAnswer> {
            let role = self.0;
            Some(match request.action.as_str() {
                "DescribeClusters" => ApiAnswer::Xml(format!(
                    "<Clusters><Cluster><ClusterIdentifier>music</ClusterIdentifier><IamRoles><ClusterIamRole>\
                     <IamRoleArn>{role}</IamRoleArn><ApplyStatus>in-sync</ApplyStatus></ClusterIamRole></IamRoles>\
                     </Cluster></Clusters>"
                )),
                "GetWorkgroup" => ApiAnswer::Json(serde_json::json!({
                    "workgroup": {"workgroupName": "music", "namespaceName": "songs"}
                })),
                "GetNamespace" if request.text("namespaceName") == Some("songs") => {
                    ApiAnswer::Json(serde_json::json!({"namespace": {
                        "namespaceName": "songs",
                        "iamRoles": [format!("IamRole(applyStatus=in-sync, iamRoleArn={role})")]
                    }}))
                }
                _ => return None,
            })
        }
    }

    fn checks_with(surroundings: &Surroundings, host: &str, api: &AwsApi) -> Checks {
        let mut command = surroundings.doctor_command(host);
        for service in ["REDSHIFT", "REDSHIFT_SERVERLESS"] {
            command.env(format!("AWS_ENDPOINT_URL_{service}"), api.url());
        }
        Checks::from_output(CommandOutput::run(&mut command))
    }

    #[test]
    fn role_that_is_not_attached_is_named() {
        let surroundings = Surroundings::healthy();
        let serverless = "music.123456789012.us-east-1.redshift-serverless.amazonaws.com";
        for (host, command) in [
            (HOST, "aws redshift modify-cluster-iam-roles"),
            (serverless, "aws redshift-serverless update-namespace"),
        ] {
            let right = AwsApi::start(vec![Box::new(RedshiftApi(IAM_ROLE_ARN))]);
            checks_with(&surroundings, host, &right).assert_no_failure(&["aws-credentials"]);
            let other = "arn:aws:iam::123456789012:role/other";
            let wrong = AwsApi::start(vec![Box::new(RedshiftApi(other))]);
            let checks = checks_with(&surroundings, host, &wrong);
            checks.assert_only_failure(host, "cluster-role", command);
            surroundings.assert_nothing_left(host);
        }
    }

    /// Who may not describe the cluster learns which permission that needs.
    #[test]
    fn cluster_that_may_not_be_described_is_unknown() {
        let surroundings = Surroundings::healthy();
        let api = AwsApi::start(Vec::new());
        let denied = ApiAnswer::Error {
            status: 403,
            code: "AccessDenied".to_owned(),
            message: "not authorized".to_owned(),
        };
        api.inject(
            "DescribeClusters",
            testkit::aws_api::ApiFault::Answer(denied),
        );
        let checks = checks_with(&surroundings, HOST, &api);
        checks.assert_no_failure(&["aws-credentials", "cluster-role"]);
        let remedy = checks.field("cluster-role", "remedy");
        assert!(remedy.contains("redshift:DescribeClusters"), "{remedy}");
    }
}
