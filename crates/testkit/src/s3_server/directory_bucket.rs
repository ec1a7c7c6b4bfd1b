//! What is different in a directory bucket (S3 Express One Zone): it lists folders only, in no particular order, its ETags
//! are not digests, and requests are signed with the credentials of a session.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;

use hyper::Response;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use s3s::Body;

use crate::s3_server::error_response::S3ErrorResponse;
use crate::s3_server::request::{RecordedRequest, S3Operation};

/// The header with the token of a session.
const SESSION_TOKEN_HEADER: &str = "x-amz-s3session-token";

/// The access key of a session.
const SESSION_ACCESS_KEY: &str = "ASIASPARKIFYSESSION0";

/// The token of a session.
const SESSION_TOKEN: &str = "TokenOfTheSessionThatMustNeverBeSeen";

/// Returns whether a bucket is a directory bucket.
pub fn is_directory_bucket(bucket: &str) -> bool {
    bucket.ends_with("--x-s3")
}

/// Returns the error for a request that a directory bucket refuses, and the credentials of a session for one that asks
/// for them.
pub(super) fn intercept(request: &RecordedRequest, buckets: &Path) -> Option<Response<Body>> {
    if request.operation == S3Operation::CreateSession {
        return Some(match buckets.join(&request.bucket).is_dir() {
            true => session_credentials(),
            false => S3ErrorResponse::no_such_bucket(&request.bucket).response(),
        });
    }
    let signed_with = request.header(AUTHORIZATION.as_str()).unwrap_or_default();
    let has_session = request.header(SESSION_TOKEN_HEADER) == Some(SESSION_TOKEN)
        && signed_with.contains(SESSION_ACCESS_KEY)
        && signed_with.contains("/s3express/aws4_request");
    let lists = matches!(
        request.operation,
        S3Operation::List | S3Operation::ListUploads
    );
    let prefix_is_folder = request.key.is_empty() || request.key.ends_with('/');
    let error = if !has_session {
        S3ErrorResponse::access_denied()
    } else if lists && !prefix_is_folder {
        S3ErrorResponse::new(
            400,
            "InvalidArgument",
            "The prefix must end in the delimiter",
        )
    } else if lists && request.has_query_param("start-after") {
        S3ErrorResponse::new(501, "NotImplemented", "start-after is not supported")
    } else {
        return None;
    };
    Some(error.response())
}

fn session_credentials() -> Response<Body> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CreateSessionResult><Credentials>\
         <SessionToken>{SESSION_TOKEN}</SessionToken><SecretAccessKey>SecretOfTheSession</SecretAccessKey>\
         <AccessKeyId>{SESSION_ACCESS_KEY}</AccessKeyId><Expiration>2099-01-01T00:00:00Z</Expiration>\
         </Credentials></CreateSessionResult>"
    );
    let response = Response::builder().header(CONTENT_TYPE, "application/xml");
    response.body(Body::from(xml)).unwrap()
}

/// Removes what only belongs to the signature, so that a server without credentials accepts the request.
pub(super) fn remove_signature(headers: &mut HeaderMap) {
    headers.remove(AUTHORIZATION);
    headers.remove(SESSION_TOKEN_HEADER);
    headers.remove("x-amz-security-token");
}

/// Returns a key to sort a listing by: the same in each page, and not the order of the keys.
pub(super) fn listing_position(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// Returns the ETag that an object has instead of its digest.
pub(super) fn opaque_etag(digest: &str) -> String {
    format!("{:016x}-opaque", listing_position(digest))
}
