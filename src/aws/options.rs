//! Defines the options of the connection to AWS. Credentials are not among them.

/// Options of the connection to AWS.
#[derive(Debug, Clone, Default)]
pub struct AwsOptions {
    /// Custom endpoint, such as a MinIO server.
    pub endpoint_url: Option<String>,
    /// Region of the buckets.
    pub region: Option<String>,
    /// Profile in the configuration files of AWS.
    pub profile: Option<String>,
    /// Whether requests are sent without credentials.
    pub no_sign_request: bool,
}
