//! Reads a key of server-side encryption with customer-provided keys (SSE-C).

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, Result};

/// The length of a key in bytes.
const KEY_BYTES: usize = 32;

/// More bytes than a file with a key has.
const MAX_FILE_BYTES: u64 = 1000;

/// A key with which S3 decrypts objects. S3 keeps no copy of it.
#[derive(Debug, Clone)]
pub struct CustomerKey {
    base64: SecretString,
    /// The digest of the key, by which S3 notices that it was damaged on its way.
    md5: String,
}

impl CustomerKey {
    /// Reads a file that holds the 32 bytes of the key, or their base64 text, and adds a warning if every user of the
    /// machine can read it.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or does not hold a key. The message does not show its contents.
    pub fn read(path: &Path, warnings: &mut Vec<String>) -> Result<Self> {
        let hint = "check --sse-c-key-file";
        let mut bytes = Vec::new();
        let is_world_readable = File::open(path)
            .and_then(|file| {
                let metadata = file.metadata()?;
                file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
                Ok(metadata.is_file() && metadata.permissions().mode() & 0o004 != 0)
            })
            .map_err(|e| Error::io("cannot read", path, e).with_hint(hint))?;
        if bytes.len() == KEY_BYTES && bytes.iter().all(|&b| is_base64_byte(b)) {
            // No random key looks so.
            return Err(Error::usage(format!("cannot use {}", path.display()))
                .with_reason("it has 32 characters of base64 text, which are a key of 24 bytes")
                .with_hint("encode a key of 32 bytes, which has 44 characters of base64 text"));
        }
        let decoded = match bytes.len() {
            KEY_BYTES => Some(bytes),
            _ => BASE64_STANDARD.decode(bytes.trim_ascii()).ok(),
        };
        let Some(key) = decoded.filter(|key| key.len() == KEY_BYTES) else {
            return Err(Error::usage(format!("cannot use {}", path.display()))
                .with_reason("expected the 32 bytes of a key, or their base64 text")
                .with_hint(hint));
        };
        if is_world_readable {
            warnings.push(format!(
                "the key in {0} is readable by every user of this machine; run chmod 600 {0}",
                path.display()
            ));
        }
        Ok(Self {
            md5: BASE64_STANDARD.encode(Md5::digest(&key)),
            base64: BASE64_STANDARD.encode(&key).into(),
        })
    }

    /// Returns the encryption algorithm, as the header names it.
    pub(super) fn algorithm(&self) -> String {
        "AES256".to_owned()
    }

    /// Returns the key, as the header has it.
    pub(super) fn header_value(&self) -> String {
        self.base64.expose_secret().to_owned()
    }

    /// Returns the digest of the key, as the header has it.
    pub(super) fn md5_header_value(&self) -> String {
        self.md5.clone()
    }
}

fn is_base64_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)
}
