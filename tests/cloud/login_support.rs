//! A warehouse, and the services of AWS that return its logins.

use std::process::Command;

use testkit::aws_api::{AwsApi, SecretsManager, StoredSecrets, TemporaryLogins};
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;
use testkit::redshift_simulator::{IAM_ROLE_ARN, RedshiftSimulator, SimulatorSettings};
use testkit::s3_server::server::S3Server;

/// The host name of a cluster in another region than that of the AWS settings.
pub const CLUSTER_HOST: &str = "music.abc123.eu-west-3.redshift.amazonaws.com";
/// The host name of a workgroup, likewise.
pub const WORKGROUP_HOST: &str = "nightly.123456789012.eu-west-3.redshift-serverless.amazonaws.com";
/// The ARN of a secret, likewise.
pub const SECRET: &str = "arn:aws:secretsmanager:eu-west-3:123456789012:secret:music-a1b2c3";
/// The operation for clusters.
pub const CLUSTER_LOGIN: &str = "GetClusterCredentialsWithIAM";
/// The operation for workgroups.
pub const WORKGROUP_LOGIN: &str = "GetCredentials";
/// The operation for secrets.
pub const SECRET_VALUE: &str = "GetSecretValue";

/// A warehouse that is the cluster `music` and the workgroup `nightly`, and a folder with input.
pub struct LoginCloud {
    pub s3: S3Server,
    pub cluster: RedshiftSimulator,
    pub temporary: TemporaryLogins,
    pub secrets: StoredSecrets,
    pub api: AwsApi,
    pub sandbox: Sandbox,
}

impl LoginCloud {
    pub fn new() -> Self {
        let s3 = S3Server::start();
        let buckets = s3.bucket("datasets").parent().unwrap().to_owned();
        let cluster = RedshiftSimulator::start(SimulatorSettings {
            buckets,
            ..SimulatorSettings::default()
        });
        let temporary = TemporaryLogins::new(cluster.logins(), "music", "nightly");
        let secrets = StoredSecrets::default();
        let api = AwsApi::start(vec![
            Box::new(temporary.clone()),
            Box::new(SecretsManager::new(&secrets)),
        ]);
        Self {
            s3,
            cluster,
            temporary,
            secrets,
            api,
            sandbox: Sandbox::with_input(),
        }
    }

    /// Returns the URL of the warehouse by a host name, without a user. Parameters may follow.
    pub fn url(&self, host: &str) -> String {
        let database = self.cluster.database();
        let (port, name) = (database.port, &database.name);
        format!("redshift://{host}:{port}/{name}?hostaddr=127.0.0.1")
    }

    /// Returns a command with the AWS settings, and without a password.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(arguments);
        self.api.configure(&mut command);
        command
            .envs(self.s3.env_vars())
            // The simulator has no TLS.
            .env("PGSSLMODE", "disable")
            .env("SPARKIFY_IAM_ROLE", IAM_ROLE_ARN);
        command
    }

    /// Returns a command on the warehouse of a URL.
    pub fn warehouse_command(&self, arguments: &[&str], url: &str) -> Command {
        let mut command = self.command(arguments);
        command.args(["--warehouse", url]);
        command
    }

    /// Runs a command on the warehouse of a URL.
    pub fn exec(&self, arguments: &[&str], url: &str) -> CommandOutput {
        CommandOutput::run(&mut self.warehouse_command(arguments, url))
    }

    /// Creates the tables by logging in with a command that does nothing else.
    pub fn create_tables(&self, url: &str) -> CommandOutput {
        self.exec(&["create-tables", "--quiet"], url)
    }

    /// Builds the dataset that `load` loads.
    pub fn build_dataset(&self) {
        let run = [
            "run",
            "--quiet",
            "--songs",
            "songs",
            "--logs",
            "logs",
            "--out",
            "s3://datasets/star",
        ];
        CommandOutput::run(&mut self.command(&run)).assert_success();
    }

    /// Loads the dataset.
    pub fn load(&self, url: &str) -> CommandOutput {
        self.exec(&["load", "--quiet", "--from", "s3://datasets/star"], url)
    }

    /// Returns how many sessions sent statements to the warehouse.
    pub fn session_count(&self) -> usize {
        let recorded = self.cluster.faults().recorded();
        let sessions: std::collections::BTreeSet<usize> =
            recorded.iter().map(|seen| seen.session).collect();
        sessions.len()
    }

    /// Asserts that the last request was for this operation, in this region.
    #[track_caller]
    pub fn assert_last_request(&self, action: &str, region: &str) {
        let request = self.api.requests().pop().unwrap();
        assert_eq!(
            (request.action.as_str(), request.region.as_str()),
            (action, region)
        );
    }
}
