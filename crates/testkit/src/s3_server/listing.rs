//! Pages of ListObjectsV2.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use s3s::dto::{
    CommonPrefix, ETag, ListObjectsV2Input, ListObjectsV2Output, Object as Listed,
    ObjectStorageClass,
};
use s3s::{S3Result, s3_error};

use crate::s3_server::bucket_dir::{BucketDir, ObjectMeta};

/// Returns the requested page, with at most `page_size` entries.
pub fn list_page(
    bucket_dir: &BucketDir,
    input: ListObjectsV2Input,
    page_size: i32,
) -> S3Result<ListObjectsV2Output> {
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let start_after = match &input.continuation_token {
        Some(token) => Some(decode_token(token)?),
        None => input.start_after.clone(),
    };
    let max_keys = input.max_keys.unwrap_or(1000).min(1000);
    let most = usize::try_from(max_keys.min(page_size)).map_err(|_| s3_error!(InvalidArgument))?;

    let mut contents = Vec::new();
    let mut prefixes: Vec<String> = Vec::new();
    let mut last = None;
    let mut is_truncated = false;
    for (key, object) in bucket_dir.objects(&input.bucket, prefix)? {
        let rollup = common_prefix(&key, prefix, input.delimiter.as_deref());
        let entry = rollup.as_ref().unwrap_or(&key);
        if prefixes.last() == Some(entry)
            || start_after.as_ref().is_some_and(|after| entry <= after)
        {
            continue;
        }
        if contents.len() + prefixes.len() == most {
            is_truncated = most > 0;
            break;
        }
        last = Some(entry.clone());
        match rollup {
            Some(group) => prefixes.push(group),
            None => contents.push(to_listed(key, object)),
        }
    }

    let prefixes = prefixes.into_iter().map(|prefix| CommonPrefix {
        prefix: Some(prefix),
    });
    let prefixes: Vec<CommonPrefix> = prefixes.collect();
    Ok(ListObjectsV2Output {
        key_count: i32::try_from(contents.len() + prefixes.len()).ok(),
        max_keys: Some(max_keys),
        is_truncated: Some(is_truncated),
        next_continuation_token: last
            .filter(|_| is_truncated)
            .map(|last| encode_token(&last)),
        contents: Some(contents),
        common_prefixes: Some(prefixes),
        continuation_token: input.continuation_token,
        delimiter: input.delimiter,
        name: Some(input.bucket),
        prefix: input.prefix,
        start_after: input.start_after,
        ..ListObjectsV2Output::default()
    })
}

/// Returns the common prefix of a key, if the delimiter occurs in it after the prefix.
fn common_prefix(key: &str, prefix: &str, delimiter: Option<&str>) -> Option<String> {
    let delimiter = delimiter?;
    let at = key[prefix.len()..].find(delimiter)?;
    Some(key[..prefix.len() + at + delimiter.len()].to_owned())
}

fn to_listed(key: String, object: ObjectMeta) -> Listed {
    Listed {
        key: Some(key),
        size: i64::try_from(object.size).ok(),
        e_tag: Some(ETag::Strong(object.etag)),
        last_modified: Some(object.modified.into()),
        storage_class: Some(ObjectStorageClass::STANDARD.to_owned().into()),
        ..Listed::default()
    }
}

/// Encodes a key as an opaque token, with the characters that tokens of S3 have.
fn encode_token(key: &str) -> String {
    BASE64_STANDARD.encode(key)
}

fn decode_token(token: &str) -> S3Result<String> {
    let key = BASE64_STANDARD.decode(token).ok();
    key.and_then(|key| String::from_utf8(key).ok())
        .ok_or_else(|| {
            s3_error!(
                InvalidArgument,
                "The continuation token provided is incorrect"
            )
        })
}
