//! Error responses with the codes, messages and fields that S3 uses.

use hyper::Response;
use hyper::header::CONTENT_TYPE;
use s3s::Body;

/// An error response of S3.
#[derive(Clone, Debug)]
pub struct S3ErrorResponse {
    status: u16,
    code: &'static str,
    message: String,
    fields: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
}

impl S3ErrorResponse {
    /// Returns an error response. With status 200 it is the response of S3 to a CompleteMultipartUpload that
    /// fails after the response head was sent.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            fields: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// Adds an element to the body.
    pub fn with_field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Adds a header.
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Returns the response to too many requests.
    pub fn slow_down() -> Self {
        Self::new(503, "SlowDown", "Please reduce your request rate.")
    }

    /// Returns an internal error of S3.
    pub fn internal_error() -> Self {
        let message = "We encountered an internal error. Please try again.";
        Self::new(500, "InternalError", message)
    }

    /// Returns the response to an upload that was too slow.
    pub fn request_timeout() -> Self {
        let message = "Your socket connection to the server was not read from or written to within the \
                       timeout period. Idle connections will be closed.";
        Self::new(400, "RequestTimeout", message)
    }

    /// Returns the response for a bucket that does not exist.
    pub fn no_such_bucket(bucket: &str) -> Self {
        Self::new(404, "NoSuchBucket", "The specified bucket does not exist")
            .with_field("BucketName", bucket)
    }

    /// Returns "Access Denied" without a reason.
    pub fn access_denied() -> Self {
        Self::new(403, "AccessDenied", "Access Denied")
    }

    /// Returns the response to a request without permission for the KMS key of the object.
    pub fn kms_denied(region: &str) -> Self {
        let message = format!(
            "User: arn:aws:iam::123456789012:user/etl is not authorized to perform: kms:Decrypt on \
             resource: {} because no identity-based policy allows the kms:Decrypt action",
            kms_key_arn(region)
        );
        Self::new(403, "AccessDenied", message)
    }

    /// Returns the response for an object whose KMS key is disabled.
    pub fn kms_disabled(region: &str) -> Self {
        let message = format!("{} is disabled.", kms_key_arn(region));
        Self::new(400, "KMS.DisabledException", message)
    }

    /// Returns the redirect to a bucket in another region.
    pub fn permanent_redirect(bucket: &str, region: &str) -> Self {
        let message = "The bucket you are attempting to access must be addressed using the specified \
                       endpoint. Please send all future requests to this endpoint.";
        Self::new(301, "PermanentRedirect", message)
            .with_field("Endpoint", format!("{bucket}.s3.{region}.amazonaws.com"))
            .with_field("Bucket", bucket)
            .with_header("x-amz-bucket-region", region)
    }

    /// Returns the response to a request that is signed for another region than that of the bucket.
    pub fn wrong_region(signed: &str, region: &str) -> Self {
        let message = format!(
            "The authorization header is malformed; the region '{signed}' is wrong; expecting '{region}'"
        );
        Self::new(400, "AuthorizationHeaderMalformed", message)
            .with_field("Region", region)
            .with_header("x-amz-bucket-region", region)
    }

    /// Returns the response to expired temporary credentials.
    pub fn expired_token() -> Self {
        Self::new(400, "ExpiredToken", "The provided token has expired.")
            .with_field("Token-0", "IQoJb3JpZ2luX2VjEXAMPLE")
    }

    /// Returns the response to an unknown access key.
    pub fn invalid_access_key(access_key: &str) -> Self {
        let message = "The AWS Access Key Id you provided does not exist in our records.";
        Self::new(403, "InvalidAccessKeyId", message).with_field("AWSAccessKeyId", access_key)
    }

    /// Returns the response to a wrong secret key.
    pub fn signature_mismatch(access_key: &str) -> Self {
        let message = "The request signature we calculated does not match the signature you provided. \
                       Check your key and signing method.";
        Self::new(403, "SignatureDoesNotMatch", message)
            .with_field("AWSAccessKeyId", access_key)
            .with_field("StringToSign", "AWS4-HMAC-SHA256\n20181101T000000Z\n")
            .with_field("SignatureProvided", "0123456789abcdef")
            .with_field("CanonicalRequest", "GET\n/\n")
    }

    /// Returns the response to a request whose time differs too much from that of the server.
    pub fn clock_skew() -> Self {
        let message = "The difference between the request time and the current time is too large.";
        Self::new(403, "RequestTimeTooSkewed", message)
            .with_field("RequestTime", "20181101T000000Z")
            .with_field("ServerTime", "2018-11-01T01:00:00Z")
            .with_field("MaxAllowedSkewMilliseconds", "900000")
    }

    /// Returns the response for an archived object, which must be restored before it can be read.
    pub fn archived() -> Self {
        let message = "The operation is not valid for the object's storage class";
        Self::new(403, "InvalidObjectState", message).with_field("StorageClass", "GLACIER")
    }

    /// Returns the response to a conditional write that lost against a concurrent one.
    pub fn conflict(key: &str) -> Self {
        let message = "The conditional request cannot succeed due to a conflicting operation against \
                       this resource.";
        Self::new(409, "ConditionalRequestConflict", message).with_field("Key", key)
    }

    /// Returns the complete HTTP response.
    pub fn response(&self) -> Response<Body> {
        let mut response = Response::builder()
            .status(self.status)
            .header(CONTENT_TYPE, "application/xml")
            .header("x-amz-request-id", REQUEST_ID);
        for (name, value) in &self.headers {
            response = response.header(*name, value);
        }
        response.body(Body::from(self.xml())).unwrap()
    }

    fn xml(&self) -> String {
        let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>".to_owned();
        let mut element = |name: &str, value: &str| {
            let value = value.replace('&', "&amp;").replace('<', "&lt;");
            xml.push_str(&format!("<{name}>{value}</{name}>"));
        };
        element("Code", self.code);
        element("Message", &self.message);
        for (name, value) in &self.fields {
            element(name, value);
        }
        element("RequestId", REQUEST_ID);
        element(
            "HostId",
            "MzRISOwyjmnupEXAMPLE7/JypPGXLh0OVFGcJaaO3KW/hRAqKOpIEEp",
        );
        xml + "</Error>"
    }
}

const REQUEST_ID: &str = "4442587FB7D0A2F9";

fn kms_key_arn(region: &str) -> String {
    format!("arn:aws:kms:{region}:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab")
}
