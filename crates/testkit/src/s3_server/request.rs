//! Requests as the server records them, and matchers for them.

use hyper::header::{HeaderMap, RANGE};
use hyper::{Method, Request};
use percent_encoding::percent_decode_str;

/// The operations that a run uses; all others are `Other`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum S3Operation {
    List,
    Get,
    Head,
    Put,
    CreateUpload,
    UploadPart,
    CompleteUpload,
    AbortUpload,
    ListUploads,
    Delete,
    CreateSession,
    HeadBucket,
    GetPolicy,
    Other,
}

/// The operation and target of a request, read from its head.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    pub operation: S3Operation,
    pub bucket: String,
    /// The key of the object, or the prefix of a listing.
    pub key: String,
    /// A value that is equal for a request and its retries, also in another run of the test.
    pub fingerprint: String,
    headers: HeaderMap,
    query: Vec<(String, String)>,
}

impl RecordedRequest {
    /// Reads the head of a request with a path-style URL.
    pub fn from_http<B>(request: &Request<B>) -> Self {
        let query: Vec<(String, String)> = request
            .uri()
            .query()
            .unwrap_or_default()
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (name.to_owned(), percent_decode(value)))
            .collect();
        let query_param = |name: &str| {
            let found = query.iter().find(|(other, _)| other == name);
            found.map(|(_, value)| value.as_str())
        };
        let path = percent_decode(request.uri().path().trim_start_matches('/'));
        let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
        let kind = classify(request.method(), !key.is_empty(), &|name| {
            query_param(name).is_some()
        });
        let key = match kind {
            S3Operation::List | S3Operation::ListUploads => {
                query_param("prefix").unwrap_or_default()
            }
            _ => key,
        };
        let range = request.headers().get(RANGE);
        let stable_args = ["partNumber", "continuation-token", "start-after"].map(query_param);
        Self {
            operation: kind,
            fingerprint: format!("{kind:?} {bucket} {key} {range:?} {stable_args:?}"),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            headers: request.headers().clone(),
            query,
        }
    }

    /// Returns whether the query has a parameter.
    pub fn has_query_param(&self, name: &str) -> bool {
        self.query.iter().any(|(other, _)| other == name)
    }

    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

fn percent_decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn classify(method: &Method, key: bool, has: &dyn Fn(&str) -> bool) -> S3Operation {
    let upload = has("uploadId");
    match (method.as_str(), key) {
        ("GET", true) if !upload => S3Operation::Get,
        ("GET", false) if has("uploads") => S3Operation::ListUploads,
        ("GET", false) if has("list-type") => S3Operation::List,
        ("GET", false) if has("session") => S3Operation::CreateSession,
        ("GET", false) if has("policy") => S3Operation::GetPolicy,
        ("HEAD", true) => S3Operation::Head,
        ("HEAD", false) => S3Operation::HeadBucket,
        ("PUT", true) if upload => S3Operation::UploadPart,
        ("PUT", true) => S3Operation::Put,
        ("POST", true) if upload => S3Operation::CompleteUpload,
        ("POST", true) if has("uploads") => S3Operation::CreateUpload,
        ("POST", false) if has("delete") => S3Operation::Delete,
        ("DELETE", true) if upload => S3Operation::AbortUpload,
        ("DELETE", true) => S3Operation::Delete,
        _ => S3Operation::Other,
    }
}

/// Selects requests by operation and key.
#[derive(Clone, Debug, Default)]
pub struct RequestMatcher {
    operation: Option<S3Operation>,
    key_suffix: String,
}

impl RequestMatcher {
    /// Matches all requests.
    pub fn any() -> Self {
        Self::default()
    }

    /// Matches all requests for an operation.
    pub fn operation(operation: S3Operation) -> Self {
        Self {
            operation: Some(operation),
            ..Self::default()
        }
    }

    /// Restricts the matcher to keys with this suffix: keys that a run writes contain its id, which tests do
    /// not know.
    pub fn with_key_suffix(mut self, suffix: &str) -> Self {
        suffix.clone_into(&mut self.key_suffix);
        self
    }

    /// Returns whether the request matches.
    pub fn matches(&self, request: &RecordedRequest) -> bool {
        let (suffix, in_merge_state) = (&self.key_suffix, |key: &str| key.contains("merge_state/"));
        self.operation.is_none_or(|kind| kind == request.operation)
            && request.key.ends_with(suffix)
            // The parts of the merge state have the same names as those of the tables.
            && (suffix.is_empty() || in_merge_state(suffix) || !in_merge_state(&request.key))
    }
}
