//! Holds the clients of the services, with their threads.

use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_cloudformation::config::retry::RetryConfig;
use aws_sdk_cloudformation::config::timeout::TimeoutConfig;
use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};

use super::error::{CloudError, RequestContext};
use crate::aws::config::{is_non_empty, load_config};
use crate::aws::credentials::check_credentials;
use crate::aws::profile::AwsProfile;
use crate::aws::{AwsOptions, AwsRuntime};
use crate::error::{Error, Result};
use crate::interrupt;

/// How often a request is sent at most. The delays between the attempts are those of the SDK, at most 20 s.
const MAX_ATTEMPTS: u32 = 5;

/// How long the connection to a service may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a service may take to answer. None of the requests waits for the work that it begins.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// The clients of the services in one region. They retry requests that fail for a reason that passes.
#[derive(Debug)]
pub(crate) struct CloudClients {
    runtime: AwsRuntime,
    profile: AwsProfile,
    region: String,
    pub(crate) cloudformation: aws_sdk_cloudformation::Client,
    pub(crate) redshift: aws_sdk_redshift::Client,
    pub(crate) serverless: aws_sdk_redshiftserverless::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
}

impl CloudClients {
    /// Configures region and credentials from the same sources as the AWS command line. The endpoint of S3 in `options` is
    /// not used. Sends no request to the services.
    ///
    /// # Errors
    /// Returns an error if the configuration is invalid, there are no credentials, or threads cannot be started.
    pub(crate) fn new(options: &AwsOptions) -> Result<Self> {
        let options = AwsOptions {
            endpoint_url: None,
            no_sign_request: false,
            ..options.clone()
        };
        let failed = || Error::failed("cannot use AWS");
        let runtime = AwsRuntime::start("aws").map_err(|e| failed().with_source(e))?;
        // The credentials may come from a command or a service that does not answer.
        let config = runtime.block_on(async {
            tokio::select! {
                loaded = async {
                    let config = load_config(&options, "AWS").await?;
                    check_credentials(&options, &config.sdk, &config.profile, "AWS").await?;
                    Ok::<_, Error>(config)
                } => loaded,
                () = interrupt::stop_began() => Err(match interrupt::stop_signal() {
                    Some(signal) => Error::stopped(signal),
                    None => failed().with_reason("the command was stopped"),
                }),
            }
        })?;
        let region = config.sdk.region().filter(|region| is_non_empty(region));
        let region = region.ok_or_else(|| {
            failed()
                .with_reason("no region configured")
                .with_hint("set --region or AWS_REGION")
        })?;
        let region = region.to_string();
        let sdk = config
            .sdk
            .into_builder()
            .retry_config(RetryConfig::standard().with_max_attempts(MAX_ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                    .build(),
            )
            .build();
        Ok(Self {
            runtime,
            profile: config.profile,
            region,
            cloudformation: aws_sdk_cloudformation::Client::new(&sdk),
            redshift: aws_sdk_redshift::Client::new(&sdk),
            serverless: aws_sdk_redshiftserverless::Client::new(&sdk),
            secrets: aws_sdk_secretsmanager::Client::new(&sdk),
        })
    }

    /// Returns the region of the clients.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// Sends a request, and waits for the response. Must not be called on one of the clients' own threads.
    ///
    /// # Errors
    /// Returns an error if the service refuses the request or cannot be reached, or as soon as the work is to stop.
    pub(crate) fn send<T, E>(
        &self,
        request: impl Future<Output = std::result::Result<T, SdkError<E>>>,
    ) -> std::result::Result<T, CloudError>
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        self.runtime.block_on(async {
            tokio::select! {
                response = request => response.map_err(|e| CloudError::from_sdk_error(&e)),
                () = interrupt::stop_began() => Err(CloudError::Stopped),
            }
        })
    }

    /// Returns the error for the user.
    pub(crate) fn to_error(&self, failed: &CloudError, context: &RequestContext) -> Error {
        failed.to_error(context, self.profile.sso_profile())
    }
}
