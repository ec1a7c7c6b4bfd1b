//! Keeps objects in S3.
//!
//! The client runs on threads of its own, and the caller of a store blocks until the operation is done. `client`
//! wraps the client with its limits, `prefetch` reads, `multipart` and `put_object` write, and `error` turns
//! failed requests into messages. The configuration of AWS is in [`aws`](crate::aws).

mod bucket_client;
mod bucket_probe;
mod client;
mod customer_key;
mod encoded_key;
mod endpoint;
mod error;
mod error_hints;
mod incomplete_uploads;
mod multipart;
mod options;
mod prefetch;
mod put_object;
mod store;

pub use aws_sdk_s3::types::ServerSideEncryption as Encryption;
pub(crate) use bucket_probe::{BucketHead, BucketPolicy};
pub(crate) use client::S3Client;
pub use customer_key::CustomerKey;
pub(crate) use endpoint::S3Endpoint;
pub use options::S3Options;
pub(crate) use store::S3Store;
