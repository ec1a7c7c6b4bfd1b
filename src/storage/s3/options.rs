//! Options: what users say about S3, beside credentials, which are no option.

use std::time::Duration;

use aws_sdk_s3::types::ServerSideEncryption;

/// What users say about S3.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// The address of a server that is not Amazon's.
    pub endpoint_url: Option<String>,
    /// The region of the buckets.
    pub region: Option<String>,
    /// The profile in the configuration files of AWS.
    pub profile: Option<String>,
    /// Whether requests go out without credentials.
    pub no_sign_request: bool,
    /// Whether the requester agrees to pay.
    pub request_payer: bool,
    /// The encryption of what is written; the bucket's own if not set.
    pub encryption: Option<ServerSideEncryption>,
    /// The key of that encryption.
    pub kms_key_id: Option<String>,
    /// Requests under way at a time, at least 1.
    pub max_concurrent_requests: usize,
    /// How long a request may bring nothing before it is given up.
    pub read_timeout: Duration,
    /// Whether tries that failed are told on stderr.
    pub log_retries: bool,
}

impl Default for S3Options {
    fn default() -> Self {
        Self {
            endpoint_url: None,
            region: None,
            profile: None,
            no_sign_request: false,
            request_payer: false,
            encryption: None,
            kms_key_id: None,
            max_concurrent_requests: 64,
            read_timeout: Duration::from_secs(20),
            log_retries: false,
        }
    }
}
