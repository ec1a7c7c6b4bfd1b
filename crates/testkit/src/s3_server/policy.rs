//! Permissions as IAM grants them: what no statement allows is denied.

use std::path::Path;

use crate::s3_server::request::{RecordedRequest, S3Operation};

/// The statements of a policy, which all allow something.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
struct Statement {
    action: String,
    /// The bucket, or the bucket and a pattern of keys.
    resource: String,
    /// The pattern of the condition `s3:prefix`.
    prefix_condition: Option<String>,
}

impl Policy {
    /// Creates a policy that allows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows an action, such as `s3:GetObject`, on a resource, such as `bucket/logs/*`.
    pub fn allow(self, action: &str, resource: &str) -> Self {
        self.with_statement(action, resource, None)
    }

    /// Allows to list a bucket on the condition that `s3:prefix` matches a pattern.
    pub fn allow_list(self, bucket: &str, prefix_pattern: &str) -> Self {
        self.with_statement("s3:ListBucket", bucket, Some(prefix_pattern))
    }

    fn with_statement(
        mut self,
        action: &str,
        resource: &str,
        prefix_condition: Option<&str>,
    ) -> Self {
        self.statements.push(Statement {
            action: action.to_owned(),
            resource: resource.to_owned(),
            prefix_condition: prefix_condition.map(str::to_owned),
        });
        self
    }

    /// Returns whether a request is allowed. The keys of a batch delete are in its body:
    /// [`allows_delete`](Self::allows_delete).
    pub(super) fn allows(&self, request: &RecordedRequest, buckets: &Path) -> bool {
        let RecordedRequest { bucket, key, .. } = request;
        let object = format!("{bucket}/{key}");
        match request.operation {
            S3Operation::List => self.permits("s3:ListBucket", bucket, Some(key)),
            S3Operation::Get | S3Operation::Head => {
                // The existence of an object is a secret of those who may list the bucket.
                let exists = buckets.join(&object).is_file();
                self.permits("s3:GetObject", &object, None)
                    && (exists || self.permits("s3:ListBucket", bucket, None))
            }
            S3Operation::Put
            | S3Operation::CreateUpload
            | S3Operation::UploadPart
            | S3Operation::CompleteUpload => self.permits("s3:PutObject", &object, None),
            S3Operation::AbortUpload => self.permits("s3:AbortMultipartUpload", &object, None),
            S3Operation::ListUploads => self.permits("s3:ListBucketMultipartUploads", bucket, None),
            S3Operation::Delete => key.is_empty() || self.allows_delete(bucket, key),
            S3Operation::CreateSession => self.permits("s3express:CreateSession", bucket, None),
            S3Operation::Other => false,
        }
    }

    /// Returns whether an object may be deleted.
    pub(super) fn allows_delete(&self, bucket: &str, key: &str) -> bool {
        self.permits("s3:DeleteObject", &format!("{bucket}/{key}"), None)
    }

    fn permits(&self, action: &str, resource: &str, prefix: Option<&str>) -> bool {
        self.statements.iter().any(|statement| {
            // A condition on a key that the request does not have is not met.
            let meets_condition = statement.prefix_condition.as_ref().is_none_or(|pattern| {
                prefix.is_some_and(|prefix| matches_pattern(pattern, prefix))
            });
            statement.action == action
                && matches_pattern(&statement.resource, resource)
                && meets_condition
        })
    }
}

/// Returns whether a text matches a pattern that may end in `*`.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == pattern,
    }
}
