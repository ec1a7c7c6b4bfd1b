//! Pages of ListObjectsV2.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    CommonPrefix, ETag, EncodingType, ListObjectsV2Input, ListObjectsV2Output, Object as Listed,
    ObjectStorageClass,
};
use s3s::{S3Result, s3_error};

use crate::s3_server::bucket_dir::{BucketDir, ObjectMeta};
use crate::s3_server::directory_bucket::{is_directory_bucket, listing_position};

/// The characters that S3 encodes in listings. It encodes a space as `+`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/')
    .remove(b' ');

/// Returns the requested page, with at most `page_size` entries. If that is 0, the first page is empty, as S3 may return
/// one, and the others are full.
pub fn list_page(
    bucket_dir: &BucketDir,
    input: ListObjectsV2Input,
    page_size: i32,
    ignores_encoding_type: bool,
) -> S3Result<ListObjectsV2Output> {
    let prefix = input.prefix.as_deref().unwrap_or_default();
    if page_size == 0 && input.continuation_token.is_none() {
        return Ok(ListObjectsV2Output {
            is_truncated: Some(true),
            // Before all keys.
            next_continuation_token: Some(encode_token("\0")),
            ..ListObjectsV2Output::default()
        });
    }
    let page_size = if page_size == 0 { 1000 } else { page_size };
    let start_after = match &input.continuation_token {
        Some(token) => Some(decode_token(token)?),
        None => input.start_after.clone(),
    };
    let max_keys = input.max_keys.unwrap_or(1000).min(1000);
    let most = usize::try_from(max_keys.min(page_size)).map_err(|_| s3_error!(InvalidArgument))?;

    let is_unordered = is_directory_bucket(&input.bucket);
    let encoding_type = input.encoding_type.filter(|_| !ignores_encoding_type);
    let mut contents = Vec::new();
    let mut prefixes: Vec<String> = Vec::new();
    let mut last = None;
    let mut is_truncated = false;
    let position = |key: &String| match is_unordered {
        true => (listing_position(key), key.clone()),
        false => (0, key.clone()),
    };
    let objects = bucket_dir.objects(&input.bucket, prefix)?;
    let mut entries: Vec<_> = objects
        .into_iter()
        .map(|(key, object)| {
            let rollup = common_prefix(&key, prefix, input.delimiter.as_deref());
            (
                position(rollup.as_ref().unwrap_or(&key)),
                rollup,
                key,
                object,
            )
        })
        .collect();
    entries.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    for (entry_position, rollup, key, object) in entries {
        let entry = rollup.as_ref().unwrap_or(&key);
        let is_before = |after| entry_position <= position(after);
        if prefixes.last() == Some(entry) || start_after.as_ref().is_some_and(is_before) {
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

    let encode = |key: String| match encoding_type {
        Some(_) => encode_key(&key),
        None => key,
    };
    for object in &mut contents {
        let Listed { key, .. } = object;
        *key = key.take().map(encode);
    }
    let prefixes = prefixes.into_iter().map(|prefix| CommonPrefix {
        prefix: Some(encode(prefix)),
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
        encoding_type: encoding_type
            .as_ref()
            .map(|_| EncodingType::from_static(EncodingType::URL)),
        name: Some(input.bucket),
        prefix: input.prefix.map(encode),
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

/// Returns a key as S3 encodes it for a request with `encoding-type=url`.
fn encode_key(key: &str) -> String {
    utf8_percent_encode(key, ENCODED)
        .to_string()
        .replace(' ', "+")
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
