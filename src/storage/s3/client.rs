//! Wraps the S3 client of a run, with its limits on concurrency, its timeouts and its retries.
//!
//! Requests go through [`S3Client::send_with_retry`], which aborts an attempt that stalls and retries errors
//! that can be transient. Reads of ranges, which resume where they broke, have a loop of their own around
//! [`S3Client::wait_before_retry`]. Permits bound the number of concurrent requests.

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
use tokio::sync::Semaphore;
use tracing::Instrument;

use super::endpoint::{Endpoints, S3Endpoint, custom_endpoint, is_unencrypted};
use super::error::{FailedRequest, OperationContext, RequestError};
use super::error_hints::ErrorHints;
use super::options::S3Options;
use crate::aws::AwsRuntime;
use crate::aws::config::{is_non_empty, load_config};
use crate::aws::credentials::check_credentials;
use crate::aws::profile::AwsProfile;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::open_files::ensure_can_open;
use crate::retry::{RetryPolicy, log_failed_attempt};
use crate::storage::bucket_name::is_access_point_arn;

/// How many files a run with S3 opens beside its connections for reads and as many for writes.
const NEEDED_FILES: u64 = 32;

/// How requests are retried, unless `AWS_MAX_ATTEMPTS` is set.
const RETRY_POLICY: RetryPolicy = RetryPolicy {
    max_attempts: 10,
    initial_delay: Duration::from_millis(100),
    max_delay: Duration::from_secs(20),
};

/// Maximum number of attempts before the first response of any kind: a wrong endpoint should be reported
/// within seconds, not after a minute.
const MAX_ATTEMPTS_BEFORE_FIRST_RESPONSE: u32 = 3;

/// An S3 client with its threads and limits.
#[derive(Debug)]
pub(crate) struct S3Client {
    runtime: AwsRuntime,
    sdk: Client,
    /// The client for access points: their names are part of the host name, also at a custom endpoint.
    access_point_sdk: Client,
    options: S3Options,
    hints: ErrorHints,
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
    pub(crate) fn new(options: &S3Options) -> Result<Self> {
        let config_error =
            |reason: &dyn std::fmt::Display| Error::failed("cannot use S3").with_reason(reason);
        let connections = 2 * options.max_concurrent_requests as u64;
        ensure_can_open(connections + NEEDED_FILES, "cannot use S3").map_err(|e| {
            e.with_hint("lower --requests, or raise the limit, for example with ulimit -n 4096")
        })?;
        let runtime = AwsRuntime::start("s3").map_err(|e| config_error(&e))?;
        let config = runtime.block_on(load_config(&options.aws, "S3"))?;
        let max_attempts = max_attempts(&config.profile)?;
        let custom_endpoint = custom_endpoint(&options.aws, &config.sdk)?;
        let configured_region = config.sdk.region().filter(|region| is_non_empty(region));
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
        if let Some(endpoint) = &custom_endpoint
            && options.customer_key.is_some()
            && is_unencrypted(endpoint)
        {
            return Err(Error::usage("cannot use --sse-c-key-file")
                .with_reason(format!("the key would be sent unencrypted to {endpoint}"))
                .with_hint("use an endpoint that begins with https://"));
        }
        let mut builder = aws_sdk_s3::config::Builder::from(&config.sdk)
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
        let mut access_point_builder = builder.clone();
        if custom_endpoint.is_some() {
            access_point_builder = access_point_builder
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
            // Other S3 implementations support these settings.
            builder = builder
                .force_path_style(true)
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
        }
        if config.sdk.credentials_provider().is_some() && !options.aws.no_sign_request {
            runtime.block_on(check_credentials(
                &options.aws,
                &config.sdk,
                &config.profile,
                "S3",
            ))?;
        }
        let hints = ErrorHints {
            endpoints: Endpoints {
                custom: custom_endpoint,
                region: region.to_string(),
                proxies: config.proxies,
            },
            sso_profile: config.profile.sso_profile().map(str::to_owned),
            no_sign_request: options.aws.no_sign_request,
            request_payer: options.request_payer,
        };
        Ok(Self {
            sdk: Client::from_conf(builder.build()),
            access_point_sdk: Client::from_conf(access_point_builder.build()),
            hints,
            options: options.clone(),
            max_attempts: AtomicU32::new(max_attempts),
            any_response: AtomicBool::new(false),
            read_permits: Arc::new(Semaphore::new(options.max_concurrent_requests)),
            write_permits: Arc::new(Semaphore::new(options.max_concurrent_requests)),
            runtime,
        })
    }

    /// Returns the client of the AWS SDK for a bucket.
    pub(crate) fn sdk_for(&self, bucket: &str) -> &Client {
        match is_access_point_arn(bucket) {
            true => &self.access_point_sdk,
            false => &self.sdk,
        }
    }

    /// Returns where the requests go, from flags, environment and profile.
    pub(crate) fn endpoint(&self) -> S3Endpoint {
        let endpoints = &self.hints.endpoints;
        S3Endpoint {
            custom: endpoints.custom.clone(),
            region: endpoints.region.clone(),
        }
    }

    /// Returns the options of the client.
    pub(crate) fn options(&self) -> &S3Options {
        &self.options
    }

    /// Returns the permits for reads.
    pub(crate) fn read_permits(&self) -> &Arc<Semaphore> {
        &self.read_permits
    }

    /// Returns the permits for writes.
    pub(crate) fn write_permits(&self) -> &Arc<Semaphore> {
        &self.write_permits
    }

    /// Returns the value of the request-payer header, if the user acknowledged the charges.
    pub(crate) fn request_payer(&self) -> Option<RequestPayer> {
        self.options
            .request_payer
            .then_some(RequestPayer::Requester)
    }

    /// Runs a future to completion. Must not be called on one of the client's own threads.
    pub(crate) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.runtime.block_on(work)
    }

    /// Spawns a future on the client's threads.
    pub(crate) fn spawn<F>(&self, work: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.runtime.spawn(work.in_current_span())
    }

    /// Sends a request, and retries it if it fails with an error that can be transient. Each attempt may take
    /// the read timeout and `extra_timeout`.
    ///
    /// # Errors
    /// Returns the error of the last attempt, and the number of attempts.
    pub(crate) async fn send_with_retry<T, E, F>(
        &self,
        operation: &OperationContext,
        extra_timeout: Duration,
        request: impl Fn() -> F,
    ) -> std::result::Result<T, FailedRequest>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = std::result::Result<T, SdkError<E>>>,
    {
        let limit = self.options.read_timeout + extra_timeout;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let error = tokio::select! {
                response = tokio::time::timeout(limit, request()) => match response {
                    Ok(Ok(response)) => {
                        self.any_response.store(true, Ordering::Relaxed);
                        return Ok(response);
                    }
                    Ok(Err(error)) => RequestError::from_sdk_error(&error),
                    Err(_) => RequestError::TimedOut(limit),
                },
                () = interrupt::stop_began() => RequestError::Stopped,
            };
            self.wait_before_retry(operation, FailedRequest { error, attempts })
                .await?;
        }
    }

    /// Waits until a failed request may be retried.
    ///
    /// # Errors
    /// Returns the failed request, at once, if a retry cannot help or there were enough of them.
    pub(crate) async fn wait_before_retry(
        &self,
        operation: &OperationContext,
        failed: FailedRequest,
    ) -> std::result::Result<(), FailedRequest> {
        if failed.error.status().is_some() {
            self.any_response.store(true, Ordering::Relaxed);
        }
        let delay = self.delay_before_retry(&failed);
        if matches!(failed.error, RequestError::Stopped) {
            return Err(failed);
        }
        // The line has the number of the attempt already.
        let error = self.hints.to_error(&failed.error, operation, 1);
        log_failed_attempt(failed.attempts, &error, delay);
        match delay {
            Some(delay) => tokio::select! {
                () = tokio::time::sleep(delay) => Ok(()),
                () = interrupt::stop_began() => Err(FailedRequest {
                    error: RequestError::Stopped,
                    ..failed
                }),
            },
            None => Err(failed),
        }
    }

    /// Returns how long to wait before a failed request is retried, or `None` if it should not be retried.
    fn delay_before_retry(&self, failed: &FailedRequest) -> Option<Duration> {
        if !failed.error.is_retryable() || interrupt::is_stopping() {
            return None;
        }
        let max_attempts = self.max_attempts.load(Ordering::Relaxed);
        let policy = RetryPolicy {
            max_attempts: match self.any_response.load(Ordering::Relaxed) {
                true => max_attempts,
                false => max_attempts.min(MAX_ATTEMPTS_BEFORE_FIRST_RESPONSE),
            },
            ..RETRY_POLICY
        };
        policy.delay_after(failed.attempts)
    }

    /// Disables retries from now on, for cleanup that is not worth waiting for.
    pub(crate) fn disable_retries(&self) {
        self.max_attempts.store(1, Ordering::Relaxed);
    }

    /// Returns the error for a failed request.
    pub(crate) fn to_error(&self, operation: &OperationContext, failed: &FailedRequest) -> Error {
        self.hints
            .to_error(&failed.error, operation, failed.attempts)
    }
}

/// Returns the maximum number of attempts of the environment or of the profile.
fn max_attempts(profile: &AwsProfile) -> Result<u32> {
    let from_env = env::var("AWS_MAX_ATTEMPTS").unwrap_or_default();
    let (text, name) = match (from_env.as_str(), profile.get("max_attempts")) {
        ("", Some(text)) => (text, profile.describe_setting("max_attempts")),
        (text, _) => (text, "AWS_MAX_ATTEMPTS".to_owned()),
    };
    if text.is_empty() {
        return Ok(RETRY_POLICY.max_attempts);
    }
    match text.parse() {
        Ok(attempts) if attempts > 0 => Ok(attempts),
        _ => Err(Error::usage(format!("invalid {name}"))
            .with_reason(format!("'{text}' is not a positive integer"))
            .with_hint("set it to the number of attempts, or unset it")),
    }
}
