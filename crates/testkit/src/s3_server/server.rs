//! An S3 server in this process, on a directory that is removed with it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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

use crate::dir_contents::{FilesByPath, list_remaining_files, read_files};
use crate::s3_server::bucket_dir::BucketDir;
use crate::s3_server::fault_proxy::FaultProxy;
use crate::s3_server::faults::FaultPlan;
use crate::s3_server::pending_uploads::PendingUploadRegistry;
use crate::s3_server::request::{RecordedRequest, RequestMatcher};
use crate::s3_server::request_log::RequestLog;
use crate::s3_server::s3_api::S3Api;
use crate::s3_server::tls::acceptor_for;

/// The access key of the only user.
pub const ACCESS_KEY: &str = "AKIASPARKIFYTESTS000";

/// The secret key: a unique string, so that outputs can be searched for it.
pub const SECRET_KEY: &str = "ThisSecretMustNeverBeSeenAnywhere+/0123456789";

/// The region that the server reports.
pub const REGION: &str = "us-east-1";

/// An S3 server in this process. Dropping it removes all its objects.
pub struct S3Server {
    address: SocketAddr,
    bucket_dir: Arc<BucketDir>,
    uploads: Arc<PendingUploadRegistry>,
    request_log: Arc<RequestLog>,
    service: Arc<FaultProxy>,
    runtime: Option<Runtime>,
    root: TempDir,
}

impl S3Server {
    /// Starts a server without faults.
    pub fn start() -> Self {
        Self::with_faults(FaultPlan::new())
    }

    /// Starts a server that injects these faults.
    pub fn with_faults(faults: FaultPlan) -> Self {
        let auth = SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY);
        Self::start_with(faults, Some(auth))
    }

    /// Starts a server that accepts only unsigned requests.
    pub fn anonymous(faults: FaultPlan) -> Self {
        Self::start_with(faults, None)
    }

    fn start_with(faults: FaultPlan, auth: Option<SimpleAuth>) -> Self {
        let root = TempDir::new().unwrap();
        let disk = Arc::new(BucketDir::new(root.path()));
        let uploads = Arc::<PendingUploadRegistry>::default();
        let tally = Arc::<RequestLog>::default();
        let conditional_write_lock = Arc::<tokio::sync::Mutex<()>>::default();
        let api = || S3Api {
            file_system: FileSystem::new(root.path()).unwrap(),
            bucket_dir: disk.clone(),
            uploads: uploads.clone(),
            page_size: faults.page_size(),
            undeletable_suffix: faults.undeletable_suffix().map(str::to_owned),
            policy: faults.policy().cloned(),
            ignores_encoding_type: faults.ignores_encoding_type(),
            region: REGION,
            bucket_policy: faults.bucket_policy().map(str::to_owned),
            conditional_write_lock: conditional_write_lock.clone(),
        };
        let unsigned_s3 = S3ServiceBuilder::new(api()).build();
        let mut s3 = S3ServiceBuilder::new(api());
        if let Some(auth) = auth {
            s3.set_auth(auth);
        }
        let proxy = FaultProxy {
            s3: s3.build(),
            unsigned_s3,
            faults,
            request_log: tally.clone(),
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
        let service = Arc::new(proxy);
        runtime.spawn(accept_connections(listener, service.clone()));
        Self {
            address,
            bucket_dir: disk,
            uploads,
            request_log: tally,
            service,
            runtime: Some(runtime),
            root,
        }
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address as a URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Opens another port, for TLS connections to hosts with these names. Returns its address, and the PEM text of the
    /// authority that signed its certificate.
    ///
    /// A host name of S3 names the bucket. The signatures of such requests are not checked.
    pub fn open_tls_port(&self, host_names: &[&str]) -> (SocketAddr, String) {
        let (acceptor, authority) = acceptor_for(host_names);
        let runtime = self.runtime.as_ref().unwrap();
        let listener = runtime
            .block_on(TcpListener::bind(("127.0.0.1", 0)))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let service = self.service.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, service) = (acceptor.clone(), service.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve_connection(TokioIo::new(stream), service).await;
                    }
                });
            }
        });
        (address, authority)
    }

    /// Creates a bucket if it does not exist, and returns its directory: every file in it is an object,
    /// whether a request or a test wrote it.
    pub fn bucket(&self, name: &str) -> PathBuf {
        assert!(check_bucket_name(name), "invalid bucket name {name:?}");
        let path = self.root.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// Adds an empty object that makes a prefix look like a directory, as the S3 console does.
    pub fn add_folder_marker(&self, bucket: &str, key: &str) {
        self.bucket_dir.add_folder_marker(bucket, key);
    }

    /// Returns all objects of a bucket.
    pub fn objects(&self, bucket: &str) -> FilesByPath {
        read_files(&self.bucket(bucket))
    }

    /// Returns the keys of the multipart uploads to a bucket that are neither completed nor aborted.
    pub fn unfinished_uploads(&self, bucket: &str) -> Vec<String> {
        let uploads = self.uploads.in_bucket(bucket).into_iter();
        uploads.map(|(_, upload)| upload.key).collect()
    }

    /// Returns the S3 settings of a client of this server, as environment variables.
    pub fn env_vars(&self) -> Vec<(String, String)> {
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

    /// Moves the times of all files in a directory of a bucket into the past, and those of uploads whose keys
    /// contain its name.
    pub fn backdate(&self, folder: &Path, by: Duration) {
        for key in list_remaining_files(folder) {
            let file = fs::File::options()
                .write(true)
                .open(folder.join(key))
                .unwrap();
            let modified = file.metadata().unwrap().modified().unwrap();
            file.set_modified(modified - by).unwrap();
        }
        let name = folder.file_name().unwrap().to_str().unwrap();
        self.uploads.backdate(name, by);
    }

    /// Returns the matching requests, in order of arrival.
    pub fn requests(&self, matcher: &RequestMatcher) -> Vec<RecordedRequest> {
        self.request_log.requests(matcher)
    }

    /// Returns the number of matching requests.
    pub fn request_count(&self, matcher: &RequestMatcher) -> usize {
        self.request_log.request_count(matcher)
    }

    /// Returns the number of requests that met a fault.
    pub fn fault_count(&self) -> usize {
        self.request_log.fault_count()
    }

    /// Returns the number of connections.
    pub fn connection_count(&self) -> usize {
        self.request_log.connection_count()
    }

    /// Returns the maximum number of GETs that were in progress at the same time.
    pub fn max_concurrent_gets(&self) -> usize {
        self.request_log.max_concurrent_gets()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        // No task may write to the directory while it is removed.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

async fn accept_connections(listener: TcpListener, proxy: Arc<FaultProxy>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(serve_connection(TokioIo::new(stream), proxy.clone()));
    }
}

async fn serve_connection<C>(connection: C, proxy: Arc<FaultProxy>)
where
    C: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    proxy.request_log.record_connection();
    let service = service_fn(|request| proxy.handle(request));
    // Connection errors are expected: most of the tests cause them.
    let _ = http1::Builder::new()
        .serve_connection(connection, service)
        .await;
}
