//! A warehouse under test, the places that are loaded into it, and the binary that does it.
//!
//! It is PostgreSQL or the stand-in for Redshift, with a proxy before it that counts statements and lets
//! them fail. For Redshift stars are in S3, for PostgreSQL in folders; tests name both in the same way.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use postgres::Client;
use serde_json::Value;
use tempfile::TempDir;

use crate::redshift_simulator::{
    Codecs, FaultInjector, IAM_ROLE_ARN, Mode, PASSWORD, RedshiftSimulator, Settings,
};
use crate::s3_server::server::S3Server;
use crate::support::postgres_server::Database;
use crate::support::table_rows::{TableRows, read_database_tables, read_parquet_tables};

/// The bucket that stars for Redshift are in.
const BUCKET: &str = "stars";

/// A database, a folder for input and output, and how the binary reaches both.
pub struct TestWarehouse {
    work_dir: TempDir,
    simulator: RedshiftSimulator,
    /// Where stars are, if not in the folder.
    s3: Option<S3Server>,
}

impl TestWarehouse {
    /// A warehouse with the tables of the star, all empty.
    pub fn new(mode: Mode) -> Self {
        let warehouse = Self::without_tables(mode);
        warehouse
            .run_command(&["create-tables", "--quiet"])
            .assert_success();
        warehouse
    }

    /// The same without tables.
    pub fn without_tables(mode: Mode) -> Self {
        Self::with_codecs(mode, Codecs::Documented)
    }

    /// A warehouse without tables whose COPY reads Parquet in these codecs.
    pub fn with_codecs(mode: Mode, codecs: Codecs) -> Self {
        let s3 = (mode == Mode::Redshift).then(S3Server::start);
        let bucket = s3.as_ref().map(|s3| s3.bucket(BUCKET));
        let buckets = bucket.map(|bucket| bucket.parent().unwrap().to_owned());
        let cluster = RedshiftSimulator::start(Settings {
            mode,
            buckets: buckets.unwrap_or_default(),
            codecs,
            ..Settings::default()
        });
        Self {
            work_dir: TempDir::new().unwrap(),
            simulator: cluster,
            s3,
        }
    }

    /// What a test calls `out`, as the command line does.
    pub fn out_location(&self, out: &str) -> String {
        match &self.s3 {
            Some(_) => format!("s3://{BUCKET}/{out}"),
            None => out.to_owned(),
        }
    }

    /// The folder of the newest star there.
    pub fn dataset_dir(&self, out: &str) -> PathBuf {
        let Some(s3) = &self.s3 else {
            return self.path(out);
        };
        let out = s3.bucket(BUCKET).join(out);
        let latest = std::fs::read(out.join("latest.json")).unwrap();
        let latest: Value = serde_json::from_slice(&latest).unwrap();
        out.join(latest["run"].as_str().unwrap())
    }

    /// What was seen of the statements, and what shall go wrong with them.
    pub fn faults(&self) -> &FaultInjector {
        self.simulator.faults()
    }

    /// Where `name` is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.work_dir.path().join(name)
    }

    /// Writes a file and the folders above it.
    pub fn write_file(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The binary in the folder, with the password of the warehouse.
    pub fn sparkify(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sparkify"));
        command
            .args(arguments)
            .current_dir(self.work_dir.path())
            .env("PGPASSWORD", PASSWORD)
            .env_remove("SPARKIFY_IAM_ROLE")
            .env_remove("SPARKIFY_WAREHOUSE")
            .stdin(Stdio::null());
        if let Some(s3) = &self.s3 {
            s3.set_env(&mut command).env("PGSSLMODE", "disable");
            command.env("SPARKIFY_IAM_ROLE", IAM_ROLE_ARN);
        }
        command
    }

    /// The URL of the warehouse.
    pub fn url(&self) -> String {
        self.simulator.url()
    }

    /// The warehouse as a database.
    pub fn database(&self) -> &Database {
        self.simulator.database()
    }

    /// A command about the warehouse.
    pub fn warehouse_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sparkify(arguments);
        command.args(["--warehouse", &self.url()]);
        command
    }

    /// Runs a command about the warehouse to its end.
    pub fn run_command(&self, arguments: &[&str]) -> CommandOutput {
        CommandOutput::run(&mut self.warehouse_command(arguments))
    }

    /// Makes a star, without the warehouse.
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

    /// Loads a star.
    pub fn load_dataset(&self, out: &str) -> CommandOutput {
        self.run_command(&["load", "--quiet", "--from", &self.out_location(out)])
    }

    /// A session of the administrator.
    pub fn admin_client(&self) -> Client {
        self.simulator.backend_client()
    }

    /// The tables of a star that was made.
    pub fn dataset_tables(&self, out: &str) -> TableRows {
        read_parquet_tables(&self.dataset_dir(out))
    }

    /// Waits until no session but our own works in the database: one whose client was killed may still carry out
    /// its last statement.
    pub fn wait_until_idle(&self) {
        let query = "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()
             AND application_name = 'sparkify'";
        let mut client = self.admin_client();
        while client.query_one(query, &[]).unwrap().get::<_, i64>(0) > 0 {
            std::thread::yield_now();
        }
    }

    /// The tables in the warehouse.
    pub fn warehouse_tables(&self) -> TableRows {
        read_database_tables(&mut self.admin_client())
    }

    /// Generates input in a folder: `song_data` and `log_data`.
    pub fn generate_input(&self, folder: &str, sizes: &[&str]) {
        let mut command = self.sparkify(&["generate", "--quiet", "--out", folder]);
        CommandOutput::run(command.args(sizes)).assert_success();
    }
}

/// All files below a folder, by their path in it, sorted.
pub fn list_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(folder).unwrap().to_owned()),
            }
        }
    }
    found.sort_unstable();
    found
}

/// How a command ended.
#[derive(Debug)]
pub struct CommandOutput {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl CommandOutput {
    /// Runs a command to its end. Nothing that it says may hold the password.
    #[track_caller]
    pub fn run(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let ended = Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        for stream in [&ended.stdout, &ended.stderr] {
            assert!(!stream.contains(PASSWORD), "the password is in {stream}");
        }
        ended
    }

    /// It did what it should and had nothing to say about it.
    #[track_caller]
    pub fn assert_success(self) -> Self {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self
    }

    /// It failed by an exit code and one line that holds all these words.
    #[track_caller]
    pub fn assert_failure(self, code: i32, words: &[&str]) -> Self {
        let line = self.stderr.strip_suffix('\n').unwrap_or("no end of line");
        let is_line = line.starts_with("sparkify: ") && !line.contains(char::is_control);
        assert!(self.code == Some(code) && is_line, "{self:?}");
        for word in words {
            assert!(line.contains(word), "no {word:?} in {self:?}");
        }
        self
    }

    /// The JSON document that it printed, and nothing else.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}
