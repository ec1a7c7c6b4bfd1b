//! Wraps the S3 client of a run, with its limits on concurrency, its timeouts and its retries.
//!
//! Requests go through [`S3Client::send_with_retry`], which aborts an attempt that stalls and retries errors
//! that can be transient. Reads of ranges, which resume where they broke, have a loop of their own around
//! [`S3Client::backoff_or_give_up`]. Permits bound the number of concurrent requests.

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
use tracing::Instrument;

use super::error::{OperationContext, RequestError};
use super::options::S3Options;
use crate::aws::config;
use crate::error::{Error, Result};

/// Maximum number of attempts of one request, unless `AWS_MAX_ATTEMPTS` is set.
const MAX_ATTEMPTS: u32 = 10;

/// Maximum number of attempts before the first response of any kind: a wrong endpoint should be reported
/// within seconds, not after a minute.
const MAX_ATTEMPTS_BEFORE_FIRST_RESPONSE: u32 = 3;

/// The longest delay before the second attempt. It doubles with each attempt.
const INITIAL_BACKOFF: Duration = Duration::from_millis(100);

/// The longest delay between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(20);

/// An S3 client with its threads and limits.
#[derive(Debug)]
pub struct S3Client {
    handle: Handle,
    /// Stopped when the client is dropped.
    runtime: Option<Runtime>,
    sdk: Client,
    options: S3Options,
    /// The endpoint, for messages.
    endpoint: String,
    max_attempts: AtomicU32,
    /// Whether there was any response yet.
    any_response: AtomicBool,
    /// A permit for each read that is in flight or waits to be consumed.
    read_permits: Arc<Semaphore>,
    /// Permits for writes. They are separate because a read keeps its permit until it is consumed, and its
    /// consumer may wait for a write.
    write_permits: Arc<Semaphore>,
}

impl S3Client {
    /// Configures region, endpoint and credentials from the same sources as the AWS command line. Sends no
    /// request to S3.
    ///
    /// # Errors
    /// Returns an error if the configuration is invalid, there are no credentials, or threads cannot be
    /// started.
    pub fn new(options: &S3Options) -> Result<Self> {
        let config_error =
            |reason: &dyn std::fmt::Display| Error::failed("cannot use S3").with_reason(reason);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(worker_threads())
            .thread_name("s3")
            .enable_all()
            .build()
            .map_err(|e| config_error(&e))?;
        let max_attempts = max_attempts()?;
        let config = runtime.block_on(config::load_config(options))?;
        let custom_endpoint = config::custom_endpoint(options, &config)?;
        let configured_region = config
            .region()
            .filter(|region| config::is_non_empty(region));
        let region = match (configured_region, &custom_endpoint) {
            (Some(region), _) => region.clone(),
            (None, Some(_)) => Region::from_static("us-east-1"),
            (None, None) => {
                return Err(
                    config_error(&"no region configured").with_hint("set --region or AWS_REGION")
                );
            }
        };
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if !region.as_ref().bytes().all(is_plain) {
            return Err(Error::usage("cannot use S3")
                .with_reason(format!("invalid region '{region}'"))
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
            // Replaced by the timeout of `send_with_retry`, which is stricter and names the limit.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if custom_endpoint.is_some() {
            // Other S3 implementations support these settings.
            builder = builder
                .force_path_style(true)
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        }
        if config.credentials_provider().is_some() && !options.no_sign_request {
            runtime.block_on(config::check_credentials(options, &config))?;
        }
        let endpoint =
            custom_endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
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

    /// Returns the client of the AWS SDK.
    pub fn sdk(&self) -> &Client {
        &self.sdk
    }

    /// Returns the options of the client.
    pub fn options(&self) -> &S3Options {
        &self.options
    }

    /// Returns the permits for reads.
    pub fn read_permits(&self) -> &Arc<Semaphore> {
        &self.read_permits
    }

    /// Returns the permits for writes.
    pub fn write_permits(&self) -> &Arc<Semaphore> {
        &self.write_permits
    }

    /// Returns the value of the request-payer header, if the user acknowledged the charges.
    pub fn request_payer(&self) -> Option<RequestPayer> {
        self.options
            .request_payer
            .then_some(RequestPayer::Requester)
    }

    /// Runs a future to completion. Must not be called on one of the client's own threads.
    pub fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.handle.block_on(work)
    }

    /// Spawns a future on the client's threads.
    pub fn spawn<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.spawn(work.in_current_span())
    }

    /// Sends a request, and retries it if it fails with an error that can be transient. Each attempt may take
    /// the read timeout and `extra_timeout`.
    ///
    /// # Errors
    /// Returns the error of the last attempt, and the number of attempts.
    pub async fn send_with_retry<T, E, F>(
        &self,
        operation: &OperationContext,
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

    /// Returns true if a failed request should be retried, after waiting for the backoff delay.
    pub async fn backoff_or_give_up(
        &self,
        operation: &OperationContext,
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
        let outcome = if will_retry {
            format!("retrying in {:.1} s", delay.as_secs_f64())
        } else {
            "giving up".to_owned()
        };
        let error = request_error.to_error(operation, 1, &self.endpoint);
        tracing::info!("attempt {attempts} failed: {error}: {outcome}");
        if will_retry {
            tokio::time::sleep(delay).await;
        }
        will_retry
    }

    /// Disables retries from now on, for cleanup that is not worth waiting for.
    pub fn disable_retries(&self) {
        self.max_attempts.store(1, Ordering::Relaxed);
    }

    /// Returns the error for a request that failed after a number of attempts.
    pub fn to_error(
        &self,
        operation: &OperationContext,
        (request_error, attempts): &(RequestError, u32),
    ) -> Error {
        request_error.to_error(operation, *attempts, &self.endpoint)
    }
}

impl Drop for S3Client {
    fn drop(&mut self) {
        // The last owner can be a canceled request on one of the runtime's own threads, which must not wait
        // for the runtime to shut down.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Returns the number of threads for network I/O. On a fast network TLS keeps them busy.
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
        _ => Err(Error::usage("invalid AWS_MAX_ATTEMPTS")
            .with_reason(format!("'{text}' is not a positive integer"))),
    }
}

/// Returns the delay after a number of attempts: exponential backoff with jitter, so that requests that
/// failed together are not retried together.
fn backoff(attempts: u32) -> Duration {
    let max_delay = INITIAL_BACKOFF
        .saturating_mul(1 << attempts.saturating_sub(1).min(16))
        .min(MAX_BACKOFF);
    max_delay.mul_f64(0.5 + 0.5 * random_fraction())
}

/// Returns another random number from 0 to 1 with each call.
fn random_fraction() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let hash = RandomState::new().hash_one(std::thread::current().id());
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}
