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
const MAX_ATTEMPTS: u32 = 10;

/// Tries while nothing was ever answered: a wrong address should not take a minute to be found.
const MAX_ATTEMPTS_BEFORE_FIRST_RESPONSE: u32 = 3;

/// The wait before the second try; it doubles from try to try.
const INITIAL_BACKOFF: Duration = Duration::from_millis(100);

/// The longest wait between two tries.
const MAX_BACKOFF: Duration = Duration::from_secs(20);

/// A client, the threads that it works on, and its bounds.
#[derive(Debug)]
pub struct S3Client {
    handle: Handle,
    /// Stops with the connection.
    runtime: Option<Runtime>,
    sdk: Client,
    options: S3Options,
    /// Where requests go, for people.
    endpoint: String,
    max_attempts: AtomicU32,
    /// Whether anything was ever answered.
    any_response: AtomicBool,
    /// A permit for each read that is under way or not taken yet.
    read_permits: Arc<Semaphore>,
    /// The same for writes: they must not wait for reads that wait for them.
    write_permits: Arc<Semaphore>,
}

impl S3Client {
    /// Finds region, endpoint and the source of credentials as the AWS command line does. Nothing is
    /// sent to S3 yet.
    ///
    /// # Errors
    /// The configuration is wrong, or threads cannot be started.
    pub fn new(options: &S3Options) -> Result<Self> {
        let config_error =
            |why: &dyn std::fmt::Display| Error::failed("cannot use S3").with_reason(why);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(worker_threads())
            .thread_name("s3")
            .enable_all()
            .build()
            .map_err(|e| config_error(&e))?;
        let max_attempts = max_attempts()?;
        let config = runtime.block_on(config::load_config(options))?;
        let custom = config::custom_endpoint(options, &config)?;
        let configured_region = config
            .region()
            .filter(|region| config::is_non_empty(region));
        let region = match (configured_region, &custom) {
            (Some(region), _) => region.clone(),
            (None, Some(_)) => Region::from_static("us-east-1"),
            (None, None) => {
                return Err(
                    config_error(&"no region is known").with_hint("set --region or AWS_REGION")
                );
            }
        };
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if !region.as_ref().bytes().all(is_plain) {
            return Err(Error::usage("cannot use S3")
                .with_reason(format!("'{region}' is no region"))
                .with_hint("check --region or AWS_REGION"));
        }
        let mut builder = aws_sdk_s3::config::Builder::from(&config)
            .region(region.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(options.read_timeout.min(Duration::from_secs(5)))
                    .build(),
            )
            // Ours is stricter, and says so.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if custom.is_some() {
            // What servers of others understand.
            builder = builder
                .force_path_style(true)
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        }
        if config.credentials_provider().is_some() && !options.no_sign_request {
            runtime.block_on(config::check_credentials(options, &config))?;
        }
        let endpoint = custom.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        Ok(Self {
            sdk: Client::from_conf(builder.build()),
            endpoint,
            options: options.clone(),
            max_attempts: AtomicU32::new(max_attempts),
            any_response: AtomicBool::new(false),
            read_permits: Arc::new(Semaphore::new(options.max_concurrent_requests)),
            write_permits: Arc::new(Semaphore::new(options.max_concurrent_requests)),
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// The client.
    pub fn sdk(&self) -> &Client {
        &self.sdk
    }

    /// What the user said.
    pub fn options(&self) -> &S3Options {
        &self.options
    }

    /// Permits for reads.
    pub fn read_permits(&self) -> &Arc<Semaphore> {
        &self.read_permits
    }

    /// Permits for writes.
    pub fn write_permits(&self) -> &Arc<Semaphore> {
        &self.write_permits
    }

    /// Who pays, as requests say it.
    pub fn request_payer(&self) -> Option<RequestPayer> {
        self.options
            .request_payer
            .then_some(RequestPayer::Requester)
    }

    /// Does something to its end; the thread must not be one of the client's own.
    pub fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.handle.block_on(work)
    }

    /// Begins something that goes on by itself.
    pub fn spawn<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.spawn(work)
    }

    /// Sends a request until it is answered, at most so often. Each try may take the patience that the
    /// user has and `more`.
    ///
    /// # Errors
    /// What it failed by last, and after how many tries.
    pub async fn send_with_retry<T, E, F>(
        &self,
        operation: &Operation,
        extra_timeout: Duration,
        request: impl Fn() -> F,
    ) -> std::result::Result<T, (RequestError, u32)>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = std::result::Result<T, SdkError<E>>>,
    {
        let mut attempts = 0;
        loop {
            let limit = self.options.read_timeout + extra_timeout;
            let request_error = match tokio::time::timeout(limit, request()).await {
                Ok(Ok(response)) => {
                    self.any_response.store(true, Ordering::Relaxed);
                    return Ok(response);
                }
                Ok(Err(error)) => RequestError::from_sdk_error(&error),
                Err(_) => RequestError::TimedOut(limit),
            };
            attempts += 1;
            if !self
                .backoff_or_give_up(operation, &request_error, attempts)
                .await
            {
                return Err((request_error, attempts));
            }
        }
    }

    /// Whether to try once more after a failure; waits before it says so.
    pub async fn backoff_or_give_up(
        &self,
        operation: &Operation,
        request_error: &RequestError,
        attempts: u32,
    ) -> bool {
        if request_error.status().is_some() {
            self.any_response.store(true, Ordering::Relaxed);
        }
        let mut max_attempts = self.max_attempts.load(Ordering::Relaxed);
        if !self.any_response.load(Ordering::Relaxed) {
            max_attempts = max_attempts.min(MAX_ATTEMPTS_BEFORE_FIRST_RESPONSE);
        }
        let will_retry = request_error.is_retryable() && attempts < max_attempts;
        let delay = backoff(attempts);
        if self.options.log_retries {
            let outcome = if will_retry {
                format!("again in {:.1} s", delay.as_secs_f64())
            } else {
                "given up".to_owned()
            };
            let error = request_error.to_error(operation, 1, &self.endpoint);
            crate::progress::eprint_line(&format!("sparkify: try {attempts}: {error}: {outcome}"));
        }
        if will_retry {
            tokio::time::sleep(delay).await;
        }
        will_retry
    }

    /// From now on nothing is tried twice: what is still to do is not worth waiting for.
    pub fn disable_retries(&self) {
        self.max_attempts.store(1, Ordering::Relaxed);
    }

    /// The error of a request that failed after so many tries.
    pub fn to_error(
        &self,
        operation: &Operation,
        (request_error, attempts): &(RequestError, u32),
    ) -> Error {
        request_error.to_error(operation, *attempts, &self.endpoint)
    }
}

impl Drop for S3Client {
    fn drop(&mut self) {
        // The last to hold it can be a request that is being stopped, on one of these threads: they
        // cannot wait for each other.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Threads for the network: encryption keeps them busy where that is fast.
fn worker_threads() -> usize {
    std::thread::available_parallelism().map_or(2, |n| n.get().div_ceil(2).max(2))
}

fn max_attempts() -> Result<u32> {
    let text = env::var("AWS_MAX_ATTEMPTS").unwrap_or_default();
    if text.is_empty() {
        return Ok(MAX_ATTEMPTS);
    }
    match text.parse() {
        Ok(attempts) if attempts > 0 => Ok(attempts),
        _ => {
            Err(Error::usage("AWS_MAX_ATTEMPTS is no number of tries")
                .with_reason(format!("'{text}'")))
        }
    }
}

/// The wait after so many tries: it doubles, and differs from request to request, so that those that
/// failed together do not come back together.
fn backoff(attempts: u32) -> Duration {
    let max_delay = INITIAL_BACKOFF
        .saturating_mul(1 << attempts.saturating_sub(1).min(16))
        .min(MAX_BACKOFF);
    max_delay.mul_f64(0.5 + 0.5 * random_fraction())
}

/// A number from 0 to 1 that is another each time.
fn random_fraction() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let hash = RandomState::new().hash_one(std::thread::current().id());
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}
