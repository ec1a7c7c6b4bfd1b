//! An S3 server in this process, on a folder that goes with it.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::path::check_bucket_name;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};

use crate::asked::{Asked, Which};
use crate::backend::Backend;
use crate::disk::{self, Disk};
use crate::faults::Faults;
use crate::front::Front;
use crate::tally::Tally;
use crate::uploads::Uploads;

/// Who may use the server.
pub const ACCESS_KEY: &str = "AKIASPARKIFYTESTS000";

/// What they sign with: like no other string, so that outputs can be searched for it.
pub const SECRET_KEY: &str = "ThisSecretMustNeverBeSeenAnywhere+/0123456789";

/// Where the server says it is.
pub const REGION: &str = "us-east-1";

/// An S3 server in this process. Dropped, it is gone with all it held.
pub struct Server {
    address: SocketAddr,
    disk: Arc<Disk>,
    uploads: Arc<Uploads>,
    tally: Arc<Tally>,
    runtime: Option<Runtime>,
    root: TempDir,
}

impl Server {
    /// A server that does what it is asked.
    pub fn start() -> Self {
        Self::faulty(Faults::new())
    }

    /// A server that fails as it is told.
    pub fn faulty(faults: Faults) -> Self {
        let auth = SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY);
        Self::with(faults, Some(auth))
    }

    /// The same, for those who have no credentials, and for them only.
    pub fn public(faults: Faults) -> Self {
        Self::with(faults, None)
    }

    fn with(faults: Faults, auth: Option<SimpleAuth>) -> Self {
        let root = TempDir::new().unwrap();
        let disk = Arc::new(Disk::at(root.path()));
        let uploads = Arc::<Uploads>::default();
        let tally = Arc::<Tally>::default();
        let mut s3 = S3ServiceBuilder::new(Backend {
            files: FileSystem::new(root.path()).unwrap(),
            disk: disk.clone(),
            uploads: uploads.clone(),
            page: faults.keys_of_page(),
            kept: faults.kept().map(str::to_owned),
            turn: tokio::sync::Mutex::default(),
        });
        if let Some(auth) = auth {
            s3.set_auth(auth);
        }
        let front = Front {
            s3: s3.build(),
            faults,
            tally: tally.clone(),
            buckets: root.path().to_owned(),
        };
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(TcpListener::bind(("127.0.0.1", 0)))
            .unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(serve(listener, Arc::new(front)));
        Self {
            address,
            disk,
            uploads,
            tally,
            runtime: Some(runtime),
            root,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bucket if it is not there. The folder that stands for it: every file in it is an object,
    /// whether a request or a test has put it there.
    pub fn bucket(&self, name: &str) -> PathBuf {
        assert!(check_bucket_name(name), "S3 would not allow {name:?}");
        let path = self.root.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// Adds an object that makes a prefix look like a folder, as the console of S3 does.
    pub fn mark(&self, bucket: &str, key: &str) {
        self.disk.mark(bucket, key);
    }

    /// What is in a bucket.
    pub fn objects(&self, bucket: &str) -> BTreeMap<String, Vec<u8>> {
        let folder = self.bucket(bucket);
        let keys = disk::keys(&folder).into_iter();
        keys.map(|key| (key.clone(), fs::read(folder.join(key)).unwrap()))
            .collect()
    }

    /// The keys of the multipart uploads to a bucket that are neither completed nor aborted.
    pub fn unfinished(&self, bucket: &str) -> Vec<String> {
        let uploads = self.uploads.of(bucket).into_iter();
        uploads.map(|(_, upload)| upload.key).collect()
    }

    /// What the surroundings of a client say, and all they say, about S3.
    pub fn environment(&self) -> Vec<(String, String)> {
        let endpoint = self.endpoint();
        [
            ("AWS_ENDPOINT_URL_S3", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_REGION", REGION),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("HOME", "/nonexistent"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Runs a command in these surroundings: whatever this machine is set up for, it meets this server.
    pub fn surround<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        for (name, _) in env::vars_os() {
            let upper = name.to_string_lossy().to_uppercase();
            if upper.starts_with("AWS_") || upper.ends_with("_PROXY") {
                command.env_remove(name);
            }
        }
        command.envs(self.environment())
    }

    /// Makes everything older by that: all files in a folder of a bucket, and uploads of keys that contain its
    /// name.
    pub fn age(&self, folder: &Path, by: Duration) {
        for key in disk::keys(folder) {
            let file = fs::File::options()
                .write(true)
                .open(folder.join(key))
                .unwrap();
            let modified = file.metadata().unwrap().modified().unwrap();
            file.set_modified(modified - by).unwrap();
        }
        let name = folder.file_name().unwrap().to_str().unwrap();
        self.uploads.age(name, by);
    }

    /// The requests of a choice that have come, in order.
    pub fn asked(&self, which: &Which) -> Vec<Asked> {
        self.tally.asked(which)
    }

    /// How many requests of a choice have come.
    pub fn requests(&self, which: &Which) -> usize {
        self.tally.requests(which)
    }

    /// How many of all requests met a fault.
    pub fn faults(&self) -> usize {
        self.tally.faults()
    }

    /// How many connections have been made.
    pub fn connections(&self) -> usize {
        self.tally.connections()
    }

    /// The most GETs of objects that were under way at a time.
    pub fn most_gets_at_once(&self) -> usize {
        self.tally.most_gets_at_once()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing may write to the folder any more when it is removed.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

async fn serve(listener: TcpListener, front: Arc<Front>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        front.tally.connected();
        let front = front.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| front.answer(request));
            // That a connection ends in an error is what most of the tests are about.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
