//! A page of a listing.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use s3s::dto::{
    CommonPrefix, ETag, ListObjectsV2Input, ListObjectsV2Output, Object as Listed,
    ObjectStorageClass,
};
use s3s::{S3Result, s3_error};

use crate::disk::{Disk, Object};

/// The page that is asked for, with `most` entries at most.
pub fn page(disk: &Disk, asked: ListObjectsV2Input, most: i32) -> S3Result<ListObjectsV2Output> {
    let prefix = asked.prefix.as_deref().unwrap_or_default();
    let after = match &asked.continuation_token {
        Some(token) => Some(unsealed(token)?),
        None => asked.start_after.clone(),
    };
    let max_keys = asked.max_keys.unwrap_or(1000).min(1000);
    let most = usize::try_from(max_keys.min(most)).map_err(|_| s3_error!(InvalidArgument))?;

    let mut contents = Vec::new();
    let mut prefixes: Vec<String> = Vec::new();
    let mut last = None;
    let mut more = false;
    for (key, object) in disk.objects(&asked.bucket, prefix)? {
        let group = group(&key, prefix, asked.delimiter.as_deref());
        let entry = group.as_ref().unwrap_or(&key);
        if prefixes.last() == Some(entry) || after.as_ref().is_some_and(|after| entry <= after) {
            continue;
        }
        if contents.len() + prefixes.len() == most {
            more = most > 0;
            break;
        }
        last = Some(entry.clone());
        match group {
            Some(group) => prefixes.push(group),
            None => contents.push(listed(key, object)),
        }
    }

    let prefixes = prefixes.into_iter().map(|prefix| CommonPrefix {
        prefix: Some(prefix),
    });
    let prefixes: Vec<CommonPrefix> = prefixes.collect();
    Ok(ListObjectsV2Output {
        key_count: i32::try_from(contents.len() + prefixes.len()).ok(),
        max_keys: Some(max_keys),
        is_truncated: Some(more),
        next_continuation_token: last.filter(|_| more).map(|last| sealed(&last)),
        contents: Some(contents),
        common_prefixes: Some(prefixes),
        continuation_token: asked.continuation_token,
        delimiter: asked.delimiter,
        name: Some(asked.bucket),
        prefix: asked.prefix,
        start_after: asked.start_after,
        ..ListObjectsV2Output::default()
    })
}

/// What a key is listed as if it has a delimiter behind the prefix.
fn group(key: &str, prefix: &str, delimiter: Option<&str>) -> Option<String> {
    let delimiter = delimiter?;
    let at = key[prefix.len()..].find(delimiter)?;
    Some(key[..prefix.len() + at + delimiter.len()].to_owned())
}

fn listed(key: String, object: Object) -> Listed {
    Listed {
        key: Some(key),
        size: i64::try_from(object.size).ok(),
        e_tag: Some(ETag::Strong(object.etag)),
        last_modified: Some(object.modified.into()),
        storage_class: Some(ObjectStorageClass::STANDARD.to_owned().into()),
        ..Listed::default()
    }
}

/// A token from which nobody can read a key, with the characters that S3's have.
fn sealed(key: &str) -> String {
    BASE64_STANDARD.encode(key)
}

fn unsealed(token: &str) -> S3Result<String> {
    let key = BASE64_STANDARD.decode(token).ok();
    key.and_then(|key| String::from_utf8(key).ok())
        .ok_or_else(|| {
            s3_error!(
                InvalidArgument,
                "The continuation token provided is incorrect"
            )
        })
}
