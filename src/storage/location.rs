//! Places: where a user says that input is and output goes.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

/// The characters that make a name a glob.
pub const GLOB_METACHARACTERS: [char; 3] = ['*', '?', '['];

/// A folder or file, or a prefix of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A path.
    Local(PathBuf),
    /// `s3://bucket/prefix`.
    S3 {
        /// The bucket.
        bucket: String,
        /// The prefix, without a `/` before it; perhaps with one behind it.
        prefix: String,
    },
}

impl Location {
    /// What a user wrote.
    ///
    /// # Errors
    /// What is wrong with it: it is empty or `-`, or a URL of another kind than `s3://bucket/prefix`.
    pub fn parse(location: &OsStr) -> Result<Self, String> {
        if location.is_empty() {
            return Err("it is empty".to_owned());
        }
        if location == "-" {
            return Err(
                "standard input and output cannot be used: input is listed with sizes and versions \
                 and read by ranges, and output is a folder; write input to a file first, or write \
                 ./- for a file or folder with that name"
                    .to_owned(),
            );
        }
        let has_single_slash = |text: &str| text.starts_with("s3:/") && !text.starts_with("s3://");
        if location.to_str().is_some_and(has_single_slash) {
            return Err("s3://bucket/prefix has two slashes".to_owned());
        }
        let url = location.to_str().and_then(|text| text.split_once("://"));
        let Some((scheme, rest)) = url.filter(|(scheme, _)| is_scheme(scheme)) else {
            return Ok(Self::Local(location.into()));
        };
        if !scheme.eq_ignore_ascii_case("s3") {
            return Err(format!(
                "{scheme}:// is not known: name a folder, a file or s3://bucket/prefix"
            ));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err("it names no bucket: s3://bucket/prefix".to_owned());
        }
        if !bucket.bytes().all(is_bucket_name_byte) {
            // Not shown: some write credentials there.
            return Err("a bucket cannot have that name: s3://bucket/prefix".to_owned());
        }
        Ok(Self::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }

    /// The folder that a glob begins with, and the glob below it; nothing if this is no glob. A path that
    /// exists is none, whatever characters are in it.
    pub fn split_glob(&self) -> Option<(Self, String)> {
        let split = |text: &str| {
            let wildcard = text.find(GLOB_METACHARACTERS)?;
            let (before, _) = text.split_at(wildcard);
            let (folder, pattern) = text.split_at(before.rfind('/').map_or(0, |slash| slash + 1));
            Some((folder.to_owned(), pattern.to_owned()))
        };
        match self {
            Self::Local(path) => {
                let (folder, pattern) = split(path.to_str()?)?;
                if path.symlink_metadata().is_ok() {
                    return None;
                }
                // To the system `a//b` and `a/./b` are `a/b`.
                let names = pattern.split_inclusive('/');
                let names = names.filter(|name| !matches!(*name, "/" | "./"));
                Some((Self::Local(folder.into()), names.collect()))
            }
            Self::S3 { bucket, prefix } => {
                let (prefix, pattern) = split(prefix)?;
                let bucket = bucket.clone();
                Some((Self::S3 { bucket, prefix }, pattern))
            }
        }
    }

    /// The place of that name in this one.
    pub fn join(&self, name: &str) -> Self {
        match self {
            Self::Local(path) => Self::Local(path.join(name)),
            Self::S3 { bucket, prefix } => {
                let needs_slash = !prefix.is_empty() && !prefix.ends_with('/');
                let prefix = format!("{prefix}{}{name}", if needs_slash { "/" } else { "" });
                let bucket = bucket.clone();
                Self::S3 { bucket, prefix }
            }
        }
    }

    /// The key of this prefix of a bucket below another; empty if they are the same.
    pub fn key_relative_to(&self, folder: &Self) -> Option<&str> {
        let (Self::S3 { prefix, .. }, Self::S3 { prefix: outer, .. }) = (self, folder) else {
            return None;
        };
        let below = prefix.strip_prefix(outer.trim_end_matches('/'))?;
        self.is_within(folder).then(|| below.trim_matches('/'))
    }

    /// Whether all that is in `self` is in `other` too, by their names.
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Local(inner), Self::Local(outer)) => inner.starts_with(outer),
            (
                Self::S3 { bucket, prefix },
                Self::S3 {
                    bucket: other_bucket,
                    prefix: outer,
                },
            ) => {
                let outer = outer.trim_end_matches('/');
                let below = prefix.strip_prefix(outer);
                bucket == other_bucket
                    && below.is_some_and(|rest| {
                        outer.is_empty() || rest.is_empty() || rest.starts_with('/')
                    })
            }
            _ => false,
        }
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// What old and new buckets are named by; nothing in it can be mistaken in a URL.
fn is_bucket_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_".contains(&byte)
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}
