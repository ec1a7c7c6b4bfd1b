//! The host names of S3, which name the bucket or the access point.

use hyper::header::{AUTHORIZATION, HOST};
use hyper::{HeaderMap, Request, Uri};

/// Rewrites a request whose host name is one of S3 to one with the bucket in its path. An access point stands for the
/// bucket of its name. Returns whether it did: the signature is not valid then.
pub(super) fn move_bucket_to_path<B>(request: &mut Request<B>) -> bool {
    let host = host_of(request.headers());
    let Some(bucket) = bucket_of_host(&host) else {
        return false;
    };
    let path_and_query = request.uri().path_and_query();
    let path_and_query = path_and_query.map_or("/", |text| text.as_str());
    let uri: Uri = format!("/{bucket}{path_and_query}").parse().unwrap();
    *request.uri_mut() = uri;
    request.headers().contains_key(AUTHORIZATION)
}

fn host_of(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host.unwrap_or_default().to_owned()
}

fn bucket_of_host(host: &str) -> Option<String> {
    let host = host.split(':').next()?;
    let host = host.strip_suffix(".cn").unwrap_or(host);
    let labels: Vec<&str> = host.strip_suffix(".amazonaws.com")?.split('.').collect();
    match labels[..] {
        [bucket, "s3", _region] => Some(bucket.to_owned()),
        [bucket, zone, _region] if zone.starts_with("s3express-") => Some(bucket.to_owned()),
        [access_point, "s3-accesspoint", _region] => {
            let (name, _account) = access_point.rsplit_once('-')?;
            Some(name.to_owned())
        }
        [alias, "mrap", "accesspoint", "s3-global"] => Some(alias.to_owned()),
        _ => None,
    }
}
