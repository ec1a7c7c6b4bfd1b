//! A warehouse under test, its input and output directories, and the binary that loads it.
//!
//! The warehouse is PostgreSQL or the Redshift simulator, behind a proxy that records statements and injects
//! faults. Datasets for Redshift are in S3, those for PostgreSQL in local directories; tests use the same
//! names for both.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use postgres::Client;
use serde_json::Value;
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;
use testkit::postgres_server::TestDatabase;
use testkit::redshift_simulator::{
    FaultInjector, IAM_ROLE_ARN, PASSWORD, ReadableCodecs, RedshiftSimulator, SimulatorSettings,
    WarehouseKind,
};
use testkit::s3_server::server::S3Server;

use crate::support::table_rows::{TableRows, read_database_tables, read_parquet_tables};

/// The bucket with the datasets for Redshift.
const BUCKET: &str = "datasets";

/// A warehouse, a directory for input and output, and the settings with which the binary reaches both.
pub struct TestWarehouse {
    sandbox: Sandbox,
    simulator: RedshiftSimulator,
    /// The S3 server with the datasets for Redshift.
    s3: Option<S3Server>,
}

impl TestWarehouse {
    /// Creates a warehouse with all tables of the star schema, which are empty.
    pub fn new(kind: WarehouseKind) -> Self {
        let warehouse = Self::without_tables(kind);
        warehouse
            .run_command(&["create-tables", "--quiet"])
            .assert_success();
        warehouse
    }

    /// Creates a warehouse without tables.
    pub fn without_tables(kind: WarehouseKind) -> Self {
        Self::with_codecs(kind, ReadableCodecs::Documented)
    }

    /// Creates a warehouse without tables whose COPY reads Parquet in these codecs.
    pub fn with_codecs(kind: WarehouseKind, codecs: ReadableCodecs) -> Self {
        Self::start(SimulatorSettings {
            kind,
            codecs,
            ..SimulatorSettings::default()
        })
    }

    /// Creates a warehouse with all tables, whose simulator has these settings.
    pub fn with_settings(settings: SimulatorSettings) -> Self {
        let warehouse = Self::start(settings);
        warehouse
            .run_command(&["create-tables", "--quiet"])
            .assert_success();
        warehouse
    }

    fn start(settings: SimulatorSettings) -> Self {
        let s3 = (settings.kind == WarehouseKind::Redshift).then(S3Server::start);
        let bucket = s3.as_ref().map(|s3| s3.bucket(BUCKET));
        let buckets = bucket.map(|bucket| bucket.parent().unwrap().to_owned());
        let simulator = RedshiftSimulator::start(SimulatorSettings {
            buckets: buckets.unwrap_or_default(),
            ..settings
        });
        Self {
            sandbox: Sandbox::new(),
            simulator,
            s3,
        }
    }

    /// Returns the location of the dataset `out`, as on the command line.
    pub fn out_location(&self, out: &str) -> String {
        match &self.s3 {
            Some(_) => format!("s3://{BUCKET}/{out}"),
            None => out.to_owned(),
        }
    }

    /// Returns the directory of the newest dataset at this location.
    pub fn dataset_dir(&self, out: &str) -> PathBuf {
        let out = match &self.s3 {
            Some(s3) => s3.bucket(BUCKET).join(out),
            None => self.path(out),
        };
        // Runs that load keep their datasets side by side, also in a folder.
        if self.s3.is_none() && !out.join("latest.json").exists() {
            return out;
        }
        let latest = std::fs::read(out.join("latest.json")).unwrap();
        let latest: Value = serde_json::from_slice(&latest).unwrap();
        out.join(latest["run"].as_str().unwrap())
    }

    /// Returns the directory of a run below this location, complete or failed.
    pub fn run_dir(&self, out: &str, run: &str) -> PathBuf {
        match &self.s3 {
            Some(s3) => s3.bucket(BUCKET).join(out).join(run),
            None => self.path(out).join(run),
        }
    }

    /// Writes an object to the bucket, for Redshift.
    #[track_caller]
    pub fn put_object(&self, key: &str, bytes: impl AsRef<[u8]>) {
        let path = self.s3.as_ref().unwrap().bucket(BUCKET).join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Copies the files of a folder to the bucket, below a prefix.
    #[track_caller]
    pub fn upload_dir(&self, folder: &Path, prefix: &str) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let key = format!("{prefix}/{}", entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true => self.upload_dir(&entry.path(), &key),
                false => self.put_object(&key, std::fs::read(entry.path()).unwrap()),
            }
        }
    }

    /// Sets the times of all objects below a prefix back, for Redshift.
    #[track_caller]
    pub fn backdate(&self, prefix: &str, by: Duration) {
        let s3 = self.s3.as_ref().unwrap();
        s3.backdate(&s3.bucket(BUCKET).join(prefix), by);
    }

    /// Returns the recorded statements and the faults.
    pub fn faults(&self) -> &FaultInjector {
        self.simulator.faults()
    }

    /// Returns the path of a file in the working directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path(name)
    }

    /// Writes a file and creates its parent directories.
    pub fn write_file(&self, name: &str, text: &str) {
        self.sandbox.write(name, text);
    }

    /// Returns the binary with these arguments, run in the working directory with the password of the
    /// warehouse.
    pub fn sparkify(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(arguments);
        command.env("PGPASSWORD", PASSWORD);
        if let Some(s3) = &self.s3 {
            command.envs(s3.env_vars());
            command.env("PGSSLMODE", "disable");
            command.env("SPARKIFY_IAM_ROLE", IAM_ROLE_ARN);
        }
        command
    }

    /// Returns the URL of the warehouse.
    pub fn url(&self) -> String {
        self.simulator.url()
    }

    /// Returns the connection of the warehouse.
    pub fn database(&self) -> &TestDatabase {
        self.simulator.database()
    }

    /// Returns the binary with these arguments and `--warehouse`.
    pub fn warehouse_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sparkify(arguments);
        command.args(["--warehouse", &self.url()]);
        command
    }

    /// Runs the binary with these arguments and `--warehouse`.
    pub fn run_command(&self, arguments: &[&str]) -> CommandOutput {
        CommandOutput::run(&mut self.warehouse_command(arguments))
    }

    /// Builds a dataset without the warehouse.
    pub fn build_dataset(&self, songs: &str, logs: &str, out: &str) {
        let run = ["run", "--quiet", "--max-rejects", "100%"];
        let mut command = self.sparkify(&run);
        command.args([
            "--songs",
            songs,
            "--logs",
            logs,
            "--out",
            &self.out_location(out),
        ]);
        CommandOutput::run(&mut command).assert_success();
    }

    /// Loads a dataset.
    pub fn load_dataset(&self, out: &str) -> CommandOutput {
        self.run_command(&["load", "--quiet", "--from", &self.out_location(out)])
    }

    /// Opens a session of the superuser.
    pub fn admin_client(&self) -> Client {
        self.simulator.backend_client()
    }

    /// Reads the tables of a dataset.
    pub fn dataset_tables(&self, out: &str) -> TableRows {
        read_parquet_tables(&self.dataset_dir(out))
    }

    /// Waits until no other session is active in the database: a session whose client was killed may still
    /// execute its last statement.
    pub fn wait_until_idle(&self) {
        let query = "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()
             AND application_name = 'sparkify'";
        let mut client = self.admin_client();
        while client.query_one(query, &[]).unwrap().get::<_, i64>(0) > 0 {
            std::thread::yield_now();
        }
    }

    /// Reads the tables of the warehouse.
    pub fn warehouse_tables(&self) -> TableRows {
        read_database_tables(&mut self.admin_client())
    }

    /// Generates input into `song_data` and `log_data` below a directory.
    pub fn generate_input(&self, folder: &str, sizes: &[&str]) {
        let mut command = self.sparkify(&["generate", "--quiet", "--out", folder]);
        CommandOutput::run(command.args(sizes)).assert_success();
    }
}
