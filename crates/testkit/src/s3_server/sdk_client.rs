//! An S3 client without retries: the AWS SDK, with errors reduced to their codes.

use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use aws_smithy_http_client::Builder;
use tokio::runtime::{self, Runtime};

use crate::s3_server::server::{ACCESS_KEY, REGION, S3Server, SECRET_KEY};

/// A client of a test server.
pub struct SdkClient {
    runtime: Runtime,
    /// The client of the SDK, for operations without a method here.
    pub s3: aws_sdk_s3::Client,
}

/// The code of an error, or a text that says that there was no valid response.
pub type ErrorCode = String;

impl SdkClient {
    /// Creates a client with the credentials of the server.
    pub fn new(server: &S3Server) -> Self {
        Self::with_secret(server, SECRET_KEY)
    }

    /// Creates a client with another secret key.
    pub fn with_secret(server: &S3Server, secret: &str) -> Self {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .endpoint_url(server.endpoint())
            .force_path_style(true)
            .credentials_provider(Credentials::new(ACCESS_KEY, secret, None, None, "tests"))
            .retry_config(RetryConfig::disabled())
            .http_client(Builder::new().build_http())
            .build();
        Self {
            runtime: runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            s3: aws_sdk_s3::Client::from_conf(config),
        }
    }

    /// Blocks on a future.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Runs an operation and reduces its error to the code.
    pub fn execute<T, E: ProvideErrorMetadata>(
        &self,
        future: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> Result<T, ErrorCode> {
        self.block_on(future).map_err(error_code)
    }

    /// Returns the bytes of an object.
    pub fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, ErrorCode> {
        self.execute_get(self.s3.get_object().bucket(bucket).key(key))
    }

    /// Runs a GetObject request and returns the body.
    pub fn execute_get(&self, get: GetObjectFluentBuilder) -> Result<Vec<u8>, ErrorCode> {
        self.block_on(async {
            let object = get.send().await.map_err(error_code)?;
            let body = object.body.collect().await;
            Ok(body.map_err(|_| "body".to_owned())?.to_vec())
        })
    }

    /// Writes an object.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) -> Result<(), ErrorCode> {
        let body = ByteStream::from(bytes.to_vec());
        let put = self.s3.put_object().bucket(bucket).key(key).body(body);
        self.execute(put.send()).map(drop)
    }

    /// Returns all pages of a listing.
    pub fn list_pages(
        &self,
        bucket: &str,
        prefix: &str,
    ) -> Result<Vec<ListObjectsV2Output>, ErrorCode> {
        let list = self.s3.list_objects_v2().bucket(bucket).prefix(prefix);
        let mut pages = list.into_paginator().send();
        self.block_on(async {
            let mut all = Vec::new();
            while let Some(page) = pages.next().await {
                all.push(page.map_err(error_code)?);
            }
            Ok(all)
        })
    }

    /// Starts a multipart upload and returns its id.
    pub fn create_upload(&self, bucket: &str, key: &str) -> String {
        let create = self.s3.create_multipart_upload().bucket(bucket).key(key);
        let created = self.execute(create.send()).unwrap();
        created.upload_id.unwrap()
    }

    /// Uploads a part.
    pub fn upload_part(
        &self,
        (bucket, key, id): (&str, &str, &str),
        number: i32,
        bytes: Vec<u8>,
    ) -> Result<CompletedPart, ErrorCode> {
        let part = self.s3.upload_part().bucket(bucket).key(key).upload_id(id);
        let part = part.part_number(number).body(ByteStream::from(bytes));
        let uploaded = self.execute(part.send())?;
        let part = CompletedPart::builder().part_number(number);
        Ok(part.set_e_tag(uploaded.e_tag).build())
    }

    /// Completes an upload.
    pub fn complete_upload(
        &self,
        (bucket, key, id): (&str, &str, &str),
        parts: Vec<CompletedPart>,
    ) -> Result<(), ErrorCode> {
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let complete = self.s3.complete_multipart_upload().bucket(bucket).key(key);
        let complete = complete.upload_id(id).multipart_upload(parts);
        self.execute(complete.send()).map(drop)
    }

    /// Returns the path and query of a presigned GET, for requests over a plain socket.
    pub fn presign_get(&self, bucket: &str, key: &str) -> String {
        let get = self.s3.get_object().bucket(bucket).key(key);
        path_and_query(
            &self
                .block_on(get.presigned(one_minute_presigning()))
                .unwrap(),
        )
    }

    /// Returns the path and query of a presigned PUT, for requests over a plain socket.
    pub fn presign_put(&self, bucket: &str, key: &str) -> String {
        let put = self.s3.put_object().bucket(bucket).key(key);
        path_and_query(
            &self
                .block_on(put.presigned(one_minute_presigning()))
                .unwrap(),
        )
    }
}

fn one_minute_presigning() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()
}

fn path_and_query(request: &aws_sdk_s3::presigning::PresignedRequest) -> String {
    let rest = request.uri().strip_prefix("http://").unwrap();
    rest[rest.find('/').unwrap()..].to_owned()
}

fn error_code<E: ProvideErrorMetadata>(error: SdkError<E>) -> ErrorCode {
    match &error {
        SdkError::ServiceError(_) => error.code().unwrap_or("no code").to_owned(),
        _ => "no answer".to_owned(),
    }
}
