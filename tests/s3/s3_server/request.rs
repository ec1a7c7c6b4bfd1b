//! What a request asks for, read off its head.

use hyper::header::{HeaderMap, RANGE};
use hyper::{Method, Request};
use percent_encoding::percent_decode_str;

/// The operations that a run uses. All others are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
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
    Other,
}

/// What a request asks for.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    pub operation: Operation,
    pub bucket: String,
    /// The key of the object; of a listing the prefix.
    pub key: String,
    /// The same for a request and its repetitions, also in another run of the test.
    pub fingerprint: String,
    headers: HeaderMap,
}

impl RecordedRequest {
    /// Reads the head of a request in path style.
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
            Operation::List => query_param("prefix").unwrap_or_default(),
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
        }
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

fn percent_decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn classify(method: &Method, key: bool, has: &dyn Fn(&str) -> bool) -> Operation {
    let upload = has("uploadId");
    match (method.as_str(), key) {
        ("GET", true) if !upload => Operation::Get,
        ("GET", false) if has("uploads") => Operation::ListUploads,
        ("GET", false) if has("list-type") => Operation::List,
        ("HEAD", true) => Operation::Head,
        ("PUT", true) if upload => Operation::UploadPart,
        ("PUT", true) => Operation::Put,
        ("POST", true) if upload => Operation::CompleteUpload,
        ("POST", true) if has("uploads") => Operation::CreateUpload,
        ("POST", false) if has("delete") => Operation::Delete,
        ("DELETE", true) if upload => Operation::AbortUpload,
        ("DELETE", true) => Operation::Delete,
        _ => Operation::Other,
    }
}

/// A choice of requests.
#[derive(Clone, Debug, Default)]
pub struct RequestMatcher {
    operation: Option<Operation>,
    key_suffix: String,
}

impl RequestMatcher {
    /// All requests.
    pub fn any() -> Self {
        Self::default()
    }

    /// All requests of a kind.
    pub fn operation(operation: Operation) -> Self {
        Self {
            operation: Some(operation),
            ..Self::default()
        }
    }

    /// Of those the ones for keys that end so: what a run writes begins with an id that no test knows.
    pub fn with_key_suffix(mut self, suffix: &str) -> Self {
        suffix.clone_into(&mut self.key_suffix);
        self
    }

    /// Whether a request is one of them.
    pub fn matches(&self, request: &RecordedRequest) -> bool {
        let (suffix, in_merge_state) = (&self.key_suffix, |key: &str| key.contains("merge_state/"));
        self.operation.is_none_or(|kind| kind == request.operation)
            && request.key.ends_with(suffix)
            // The parts of the ledger are named as those of the star.
            && (suffix.is_empty() || in_merge_state(suffix) || !in_merge_state(&request.key))
    }
}
