//! Objects that are encrypted with a customer-provided key (SSE-C): a read needs the key.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use s3s::crypto::{Checksum, Md5};

use crate::s3_server::error_response::S3ErrorResponse;
use crate::s3_server::request::{RecordedRequest, S3Operation};

/// The header with the key.
pub const KEY_HEADER: &str = "x-amz-server-side-encryption-customer-key";

/// The objects below a prefix, and the key that they are encrypted with.
#[derive(Clone, Debug)]
pub struct EncryptedPrefix {
    /// The bucket and the beginning of the keys.
    pub prefix: String,
    /// The key.
    pub key: [u8; 32],
}

/// Returns the error for a read without the right key, or with a key that the object does not have.
pub(super) fn check_read(
    encrypted: Option<&EncryptedPrefix>,
    request: &RecordedRequest,
) -> Option<S3ErrorResponse> {
    if !matches!(request.operation, S3Operation::Get | S3Operation::Head) {
        return None;
    }
    let name = format!("{}/{}", request.bucket, request.key);
    let encrypted = encrypted.filter(|encrypted| name.starts_with(&encrypted.prefix));
    let invalid = |message| Some(S3ErrorResponse::new(400, "InvalidRequest", message));
    match (encrypted, request.header(KEY_HEADER)) {
        (None, None) => None,
        (None, Some(_)) => invalid("The encryption parameters are not applicable to this object."),
        (Some(_), None) => invalid(
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to \
             retrieve the object.",
        ),
        (Some(encrypted), Some(key)) => {
            let digest = Md5::checksum(&encrypted.key);
            let has_digest = request.header(&format!("{KEY_HEADER}-md5"))
                == Some(BASE64_STANDARD.encode(digest).as_str());
            let algorithm = request.header("x-amz-server-side-encryption-customer-algorithm");
            let is_right = key == BASE64_STANDARD.encode(encrypted.key)
                && has_digest
                && algorithm == Some("AES256");
            (!is_right).then(S3ErrorResponse::access_denied)
        }
    }
}
