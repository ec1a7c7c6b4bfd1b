//! The connection: one client for all that a run does on S3, and how often it tries.
//!
//! All requests go through [`S3Client::send`], which bounds how many are under way at a time, gives
//! up on one that stalls, and tries again what can succeed a little later.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use aws_config::Region;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::RequestPayer;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Semaphore;

use super::error::{Operation, RequestError};
use super::options::S3Options;
use crate::aws::config;
use crate::error::{Error, Result};

/// Tries of one request, unless `AWS_MAX_ATTEMPTS` says otherwise.
const TRIES: u32 = 10;

/// Tries while nothing was ever answered: a wrong address should not take a minute to be found.
const FIRST_TRIES: u32 = 3;

/// The wait before the second try; it doubles from try to try.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// A client, the threads that it works on, and its bounds.
#[derive(Debug)]
pub struct S3Client {
    runtime: Handle,
    /// Stops with the connection.
    threads: Option<Runtime>,
    client: Client,
    options: S3Options,
    /// Where requests go, for people.
    endpoint: String,
    tries: AtomicU32,
    /// Whether anything was ever answered.
    answered: AtomicBool,
    /// A permit for each read that is under way or not taken yet.
    reads: Arc<Semaphore>,
    /// The same for writes: they must not wait for reads that wait for them.
    writes: Arc<Semaphore>,
}

impl S3Client {
    /// Finds region, endpoint and the source of credentials as the AWS command line does. Nothing is
    /// sent to S3 yet.
    ///
    /// # Errors
    /// The configuration is wrong, or threads cannot be started.
    pub fn new(options: &S3Options) -> Result<Self> {
        let cannot = |why: &dyn std::fmt::Display| Error::failed("cannot use S3").because(why);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads())
            .thread_name("s3")
            .enable_all()
            .build()
            .map_err(|e| cannot(&e))?;
        let tries = tries()?;
        let config = runtime.block_on(config::load(options))?;
        let custom = config::endpoint(options, &config)?;
        let named = config.region().filter(|region| config::is_named(region));
        let region = match (named, &custom) {
            (Some(region), _) => region.clone(),
            (None, Some(_)) => Region::from_static("us-east-1"),
            (None, None) => {
                return Err(cannot(&"no region is known").hint("set --region or AWS_REGION"));
            }
        };
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if !region.as_ref().bytes().all(is_plain) {
            return Err(Error::usage("cannot use S3")
                .because(format!("'{region}' is no region"))
                .hint("check --region or AWS_REGION"));
        }
        let mut s3 = aws_sdk_s3::config::Builder::from(&config)
            .region(region.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(options.patience.min(Duration::from_secs(5)))
                    .build(),
            )
            // Ours is stricter, and says so.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if custom.is_some() {
            // What servers of others understand.
            s3 = s3
                .force_path_style(true)
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        }
        if config.credentials_provider().is_some() && !options.no_sign_request {
            runtime.block_on(config::check_credentials(options, &config))?;
        }
        let endpoint = custom.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        Ok(Self {
            client: Client::from_conf(s3.build()),
            endpoint,
            options: options.clone(),
            tries: AtomicU32::new(tries),
            answered: AtomicBool::new(false),
            reads: Arc::new(Semaphore::new(options.requests)),
            writes: Arc::new(Semaphore::new(options.requests)),
            runtime: runtime.handle().clone(),
            threads: Some(runtime),
        })
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What the user said.
    pub fn options(&self) -> &S3Options {
        &self.options
    }

    /// Permits for reads.
    pub fn reads(&self) -> &Arc<Semaphore> {
        &self.reads
    }

    /// Permits for writes.
    pub fn writes(&self) -> &Arc<Semaphore> {
        &self.writes
    }

    /// Who pays, as requests say it.
    pub fn payer(&self) -> Option<RequestPayer> {
        self.options
            .request_payer
            .then_some(RequestPayer::Requester)
    }

    /// Does something to its end; the thread must not be one of the client's own.
    pub fn wait<F: Future>(&self, work: F) -> F::Output {
        self.runtime.block_on(work)
    }

    /// Begins something that goes on by itself.
    pub fn spawn<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.runtime.spawn(work)
    }

    /// Sends a request until it is answered, at most so often. Each try may take the patience that the
    /// user has and `more`.
    ///
    /// # Errors
    /// What it failed by last, and after how many tries.
    pub async fn send<T, E, F>(
        &self,
        call: &Operation,
        more: Duration,
        request: impl Fn() -> F,
    ) -> std::result::Result<T, (RequestError, u32)>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = std::result::Result<T, SdkError<E>>>,
    {
        let mut tried = 0;
        loop {
            let limit = self.options.patience + more;
            let failure = match tokio::time::timeout(limit, request()).await {
                Ok(Ok(answer)) => {
                    self.answered.store(true, Ordering::Relaxed);
                    return Ok(answer);
                }
                Ok(Err(error)) => RequestError::of(&error),
                Err(_) => RequestError::TimedOut(limit),
            };
            tried += 1;
            if !self.again(call, &failure, tried).await {
                return Err((failure, tried));
            }
        }
    }

    /// Whether to try once more after a failure; waits before it says so.
    pub async fn again(&self, call: &Operation, failure: &RequestError, tried: u32) -> bool {
        if failure.status().is_some() {
            self.answered.store(true, Ordering::Relaxed);
        }
        let mut most = self.tries.load(Ordering::Relaxed);
        if !self.answered.load(Ordering::Relaxed) {
            most = most.min(FIRST_TRIES);
        }
        let again = failure.is_passing() && tried < most;
        let wait = wait(tried);
        if self.options.verbose {
            let then = if again {
                format!("again in {:.1} s", wait.as_secs_f64())
            } else {
                "given up".to_owned()
            };
            let error = failure.explain(call, 1, &self.endpoint);
            crate::progress::say(&format!("sparkify: try {tried}: {error}: {then}"));
        }
        if again {
            tokio::time::sleep(wait).await;
        }
        again
    }

    /// From now on nothing is tried twice: what is still to do is not worth waiting for.
    pub fn hurry(&self) {
        self.tries.store(1, Ordering::Relaxed);
    }

    /// The error of a request that failed after so many tries.
    pub fn error(&self, call: &Operation, (failure, tried): &(RequestError, u32)) -> Error {
        failure.explain(call, *tried, &self.endpoint)
    }
}

impl Drop for S3Client {
    fn drop(&mut self) {
        // The last to hold it can be a request that is being stopped, on one of these threads: they
        // cannot wait for each other.
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

/// Threads for the network: encryption keeps them busy where that is fast.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, |n| n.get().div_ceil(2).max(2))
}

fn tries() -> Result<u32> {
    let text = env::var("AWS_MAX_ATTEMPTS").unwrap_or_default();
    if text.is_empty() {
        return Ok(TRIES);
    }
    match text.parse() {
        Ok(tries) if tries > 0 => Ok(tries),
        _ => {
            Err(Error::usage("AWS_MAX_ATTEMPTS is no number of tries").because(format!("'{text}'")))
        }
    }
}

/// The wait after so many tries: it doubles, and differs from request to request, so that those that
/// failed together do not come back together.
fn wait(tried: u32) -> Duration {
    let longest = FIRST_WAIT
        .saturating_mul(1 << tried.saturating_sub(1).min(16))
        .min(LONGEST_WAIT);
    longest.mul_f64(0.5 + 0.5 * random())
}

/// A number from 0 to 1 that is another each time.
fn random() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let hash = RandomState::new().hash_one(std::thread::current().id());
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}
