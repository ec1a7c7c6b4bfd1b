//! Parses the locations of input and output: local paths and S3 URLs.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use super::bucket_name::{is_access_point_arn, is_bucket_name_byte, split_access_point};

/// The characters that make a location a glob.
pub(crate) const GLOB_METACHARACTERS: [char; 3] = ['*', '?', '['];

/// A location of input or output: a local folder or file, or a prefix of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A local path.
    Local(PathBuf),
    /// `s3://bucket/prefix`.
    S3 {
        /// The bucket, or the ARN of an access point.
        bucket: String,
        /// The prefix, without a leading `/`. A trailing `/` is kept if the user wrote one.
        prefix: String,
    },
}

impl Location {
    /// Parses a location as a user writes it.
    ///
    /// # Errors
    /// Returns a reason if the location is empty or `-`, or a URL other than `s3://bucket/prefix`.
    pub fn parse(location: &OsStr) -> Result<Self, String> {
        if location.is_empty() {
            return Err("the location is empty".to_owned());
        }
        if location == "-" {
            return Err(
                "standard input and output are not supported: input is listed with sizes and \
                 versions and read by ranges, and output is a folder; write input to a file first, \
                 or use ./- for a file or folder with that name"
                    .to_owned(),
            );
        }
        if let Some(url) = location.to_str().and_then(correct_s3_scheme) {
            return Err(format!("did you mean {url}?"));
        }
        let url = location.to_str().and_then(|text| text.split_once("://"));
        let Some((scheme, rest)) = url.filter(|(scheme, _)| is_scheme(scheme)) else {
            return Ok(Self::Local(location.into()));
        };
        if !scheme.eq_ignore_ascii_case("s3") {
            return Err(format!(
                "unsupported URL scheme {scheme}://: expected a folder, a file or s3://bucket/prefix"
            ));
        }
        if is_access_point_arn(rest) {
            let (arn, prefix) = split_access_point(rest)?;
            return Ok(Self::S3 {
                bucket: arn.to_owned(),
                prefix: prefix.to_owned(),
            });
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err("missing bucket name: expected s3://bucket/prefix".to_owned());
        }
        if !bucket.bytes().all(is_bucket_name_byte) {
            // The name is not shown, because some users write credentials there.
            return Err("invalid bucket name: expected s3://bucket/prefix".to_owned());
        }
        Ok(Self::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }

    /// Returns true for a location in an access point that is named by its ARN.
    pub(crate) fn is_in_access_point_arn(&self) -> bool {
        matches!(self, Self::S3 { bucket, .. } if is_access_point_arn(bucket))
    }

    /// Splits a glob into the folder that it begins with and the pattern below that folder. Returns `None`
    /// if the location is not a glob. A path that exists is not a glob, whatever characters it contains.
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
                // `a//b` and `a/./b` are the same path as `a/b`.
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

    /// Returns the location of `name` in this location.
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

    /// Returns the key of this location relative to `folder`, which is empty if both are the same. Returns `None` if
    /// it is not below `folder`, judged by the names alone.
    pub fn key_relative_to(&self, folder: &Self) -> Option<&str> {
        match (self, folder) {
            (Self::Local(path), Self::Local(outer)) => path.strip_prefix(outer).ok()?.to_str(),
            (Self::S3 { prefix, .. }, Self::S3 { prefix: outer, .. }) => {
                let relative = prefix.strip_prefix(outer.trim_end_matches('/'))?;
                self.is_within(folder).then(|| relative.trim_matches('/'))
            }
            _ => None,
        }
    }

    /// Returns this location as an absolute path without symbolic links in the part of it that exists. A location in
    /// S3, and a path that cannot be resolved, stay as they are.
    pub fn resolve_links(&self) -> Self {
        let Self::Local(path) = self else {
            return self.clone();
        };
        let path = match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        };
        let resolved = std::path::absolute(path).and_then(|path| resolve_existing_prefix(&path));
        resolved.map_or_else(|_| self.clone(), Self::Local)
    }

    /// Returns true if `self` is `other` or below it, judged by the names alone.
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
                let relative = prefix.strip_prefix(outer);
                bucket == other_bucket
                    && relative.is_some_and(|rest| {
                        outer.is_empty() || rest.is_empty() || rest.starts_with('/')
                    })
            }
            _ => false,
        }
    }
}

/// Resolves symbolic links in the part of an absolute path that exists.
pub(crate) fn resolve_existing_prefix(path: &Path) -> std::io::Result<PathBuf> {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Err(e), Some(parent), Some(name)) if e.kind() == std::io::ErrorKind::NotFound => {
            Ok(resolve_existing_prefix(parent)?.join(name))
        }
        (resolved, ..) => resolved,
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Returns the location with the scheme `s3://` if it begins with `s3:/` and one slash only. If its bucket
/// name is invalid it may be a credential, so that a placeholder is returned.
fn correct_s3_scheme(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once(":/")?;
    if !scheme.eq_ignore_ascii_case("s3") || rest.starts_with('/') {
        return None;
    }
    let bucket = rest.split('/').next().unwrap_or_default();
    if bucket.is_empty() || !bucket.bytes().all(is_bucket_name_byte) {
        return Some("s3://bucket/prefix".to_owned());
    }
    Some(format!("s3://{rest}"))
}

/// Returns a hint with the S3 URL that a user may have meant by a local path that does not exist: the path is
/// relative, contains a slash, and its first component does not exist and could be the name of a bucket.
pub(crate) fn s3_url_hint(path: &Path) -> Option<String> {
    let text = path.to_str().filter(|text| text.contains('/'))?;
    let Some(Component::Normal(first)) = path.components().next() else {
        return None;
    };
    let is_bucket_name = first.to_str()?.bytes().all(is_bucket_name_byte);
    let is_absent = Path::new(first).symlink_metadata().is_err();
    (is_bucket_name && is_absent)
        .then(|| format!("if it is an S3 location: did you mean s3://{text}?"))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_s3_scheme_is_rejected_with_suggestion() {
        for (text, expected) in [
            ("s3:/bucket/x", "did you mean s3://bucket/x?"),
            ("S3:/bucket", "did you mean s3://bucket?"),
            ("s3:/", "did you mean s3://bucket/prefix?"),
            ("s3:/KEY:SECRET@bucket", "did you mean s3://bucket/prefix?"),
        ] {
            assert_eq!(
                Location::parse(text.as_ref()),
                Err(expected.to_owned()),
                "{text}"
            );
        }
        assert!(Location::parse("s3://bucket/x".as_ref()).is_ok());
        assert!(Location::parse("S3://bucket/x".as_ref()).is_ok());
        assert!(Location::parse("./s3:/x".as_ref()).is_ok());
    }

    #[test]
    fn s3_url_is_suggested_only_where_plausible() {
        // Unit tests run in the root of the package, where `src` exists.
        for (path, expected) in [
            ("absent-bucket/x", Some("s3://absent-bucket/x")),
            (
                "absent-bucket/x/y.json",
                Some("s3://absent-bucket/x/y.json"),
            ),
            ("absent-bucket/", Some("s3://absent-bucket/")),
            ("absent-bucket", None),
            ("src/absent", None),
            ("./absent-bucket/x", None),
            ("../absent-bucket/x", None),
            ("/absent-bucket/x", None),
            ("absent bucket/x", None),
        ] {
            let expected =
                expected.map(|url| format!("if it is an S3 location: did you mean {url}?"));
            assert_eq!(s3_url_hint(path.as_ref()), expected, "{path}");
        }
    }
}
