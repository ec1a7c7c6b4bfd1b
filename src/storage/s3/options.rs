//! Defines the options of S3 access. Credentials are not among them.

use std::time::Duration;

use aws_sdk_s3::types::ServerSideEncryption;

use super::customer_key::CustomerKey;
use crate::aws::AwsOptions;

/// Options of S3 access.
#[derive(Debug, Clone)]
pub struct S3Options {
    /// Options of the connection to AWS.
    pub aws: AwsOptions,
    /// Whether the requester acknowledges that it pays for requests.
    pub request_payer: bool,
    /// Server-side encryption of written objects. Default: the setting of the bucket.
    pub encryption: Option<ServerSideEncryption>,
    /// KMS key for that encryption.
    pub kms_key_id: Option<String>,
    /// Key of the objects that are read as input, if they are encrypted with a customer-provided key (SSE-C).
    pub customer_key: Option<CustomerKey>,
    /// Maximum number of concurrent read requests, and as many writes. At least 1.
    pub max_concurrent_requests: usize,
    /// Time without data after which an attempt fails.
    pub read_timeout: Duration,
}

impl Default for S3Options {
    fn default() -> Self {
        Self {
            aws: AwsOptions::default(),
            request_payer: false,
            encryption: None,
            kms_key_id: None,
            customer_key: None,
            max_concurrent_requests: 64,
            read_timeout: Duration::from_secs(20),
        }
    }
}
