//! What a request asks for, read off its head.

use hyper::header::{HeaderMap, RANGE};
use hyper::{Method, Request};
use percent_encoding::percent_decode_str;

/// The operations that a run uses. All others are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
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
pub struct Asked {
    pub kind: Kind,
    pub bucket: String,
    /// The key of the object; of a listing the prefix.
    pub key: String,
    /// The same for a request and its repetitions, also in another run of the test.
    pub identity: String,
    headers: HeaderMap,
}

impl Asked {
    /// Reads the head of a request in path style.
    pub fn of<B>(request: &Request<B>) -> Self {
        let query: Vec<(String, String)> = request
            .uri()
            .query()
            .unwrap_or_default()
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (name.to_owned(), decoded(value)))
            .collect();
        let argument = |name: &str| {
            let found = query.iter().find(|(other, _)| other == name);
            found.map(|(_, value)| value.as_str())
        };
        let path = decoded(request.uri().path().trim_start_matches('/'));
        let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
        let kind = kind(request.method(), !key.is_empty(), &|name| {
            argument(name).is_some()
        });
        let key = match kind {
            Kind::List => argument("prefix").unwrap_or_default(),
            _ => key,
        };
        let range = request.headers().get(RANGE);
        let lasting = ["partNumber", "continuation-token", "start-after"].map(argument);
        Self {
            kind,
            identity: format!("{kind:?} {bucket} {key} {range:?} {lasting:?}"),
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

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn kind(method: &Method, key: bool, has: &dyn Fn(&str) -> bool) -> Kind {
    let upload = has("uploadId");
    match (method.as_str(), key) {
        ("GET", true) if !upload => Kind::Get,
        ("GET", false) if has("uploads") => Kind::ListUploads,
        ("GET", false) if has("list-type") => Kind::List,
        ("HEAD", true) => Kind::Head,
        ("PUT", true) if upload => Kind::UploadPart,
        ("PUT", true) => Kind::Put,
        ("POST", true) if upload => Kind::CompleteUpload,
        ("POST", true) if has("uploads") => Kind::CreateUpload,
        ("POST", false) if has("delete") => Kind::Delete,
        ("DELETE", true) if upload => Kind::AbortUpload,
        ("DELETE", true) => Kind::Delete,
        _ => Kind::Other,
    }
}

/// A choice of requests.
#[derive(Clone, Debug, Default)]
pub struct Which {
    kind: Option<Kind>,
    key_end: String,
}

impl Which {
    /// All requests.
    pub fn any() -> Self {
        Self::default()
    }

    /// All requests of a kind.
    pub fn kind(kind: Kind) -> Self {
        Self {
            kind: Some(kind),
            ..Self::default()
        }
    }

    /// Of those the ones for keys that end so: what a run writes begins with an id that no test knows.
    pub fn of_key(mut self, end: &str) -> Self {
        end.clone_into(&mut self.key_end);
        self
    }

    /// Whether a request is one of them.
    pub fn has(&self, asked: &Asked) -> bool {
        let (end, in_ledger) = (&self.key_end, |key: &str| key.contains("ledger/"));
        self.kind.is_none_or(|kind| kind == asked.kind)
            && asked.key.ends_with(end)
            // The parts of the ledger are named as those of the star.
            && (end.is_empty() || in_ledger(end) || !in_ledger(&asked.key))
    }
}
