//! A plain client: the SDK, which asks once and says what it got.

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use aws_smithy_http_client::Builder;
use std::time::Duration;
use tokio::runtime::{self, Runtime};

use crate::server::{ACCESS_KEY, REGION, SECRET_KEY, Server};

/// A client of a server.
pub struct Client {
    runtime: Runtime,
    /// The client of the SDK, for what there is no shorter way for here.
    pub s3: aws_sdk_s3::Client,
}

/// The code of an error, or that there was no proper answer.
pub type Refusal = String;

impl Client {
    /// One that may do all.
    pub fn of(server: &Server) -> Self {
        Self::with_secret(server, SECRET_KEY)
    }

    /// One with a secret of its own.
    pub fn with_secret(server: &Server, secret: &str) -> Self {
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

    /// Waits for an operation.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Waits for an operation and has a word for how it failed.
    pub fn outcome<T, E: ProvideErrorMetadata>(
        &self,
        future: impl Future<Output = Result<T, SdkError<E>>>,
    ) -> Result<T, Refusal> {
        self.wait(future).map_err(refusal)
    }

    /// The bytes of an object.
    pub fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, Refusal> {
        self.outcome_of_get(self.s3.get_object().bucket(bucket).key(key))
    }

    /// The bytes that a read of an object gives.
    pub fn outcome_of_get(&self, get: GetObjectFluentBuilder) -> Result<Vec<u8>, Refusal> {
        self.wait(async {
            let object = get.send().await.map_err(refusal)?;
            let body = object.body.collect().await;
            Ok(body.map_err(|_| "body".to_owned())?.to_vec())
        })
    }

    /// Writes an object.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) -> Result<(), Refusal> {
        let body = ByteStream::from(bytes.to_vec());
        let put = self.s3.put_object().bucket(bucket).key(key).body(body);
        self.outcome(put.send()).map(drop)
    }

    /// All pages of a listing.
    pub fn pages(&self, bucket: &str, prefix: &str) -> Result<Vec<ListObjectsV2Output>, Refusal> {
        let list = self.s3.list_objects_v2().bucket(bucket).prefix(prefix);
        let mut pages = list.into_paginator().send();
        self.wait(async {
            let mut all = Vec::new();
            while let Some(page) = pages.next().await {
                all.push(page.map_err(refusal)?);
            }
            Ok(all)
        })
    }

    /// Begins a multipart upload, for its id.
    pub fn begin(&self, bucket: &str, key: &str) -> String {
        let create = self.s3.create_multipart_upload().bucket(bucket).key(key);
        let begun = self.outcome(create.send()).unwrap();
        begun.upload_id.unwrap()
    }

    /// Uploads a part.
    pub fn part(
        &self,
        (bucket, key, id): (&str, &str, &str),
        number: i32,
        bytes: Vec<u8>,
    ) -> Result<CompletedPart, Refusal> {
        let part = self.s3.upload_part().bucket(bucket).key(key).upload_id(id);
        let part = part.part_number(number).body(ByteStream::from(bytes));
        let come = self.outcome(part.send())?;
        let part = CompletedPart::builder().part_number(number);
        Ok(part.set_e_tag(come.e_tag).build())
    }

    /// Completes an upload.
    pub fn complete(
        &self,
        (bucket, key, id): (&str, &str, &str),
        parts: Vec<CompletedPart>,
    ) -> Result<(), Refusal> {
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts))
            .build();
        let complete = self.s3.complete_multipart_upload().bucket(bucket).key(key);
        let complete = complete.upload_id(id).multipart_upload(parts);
        self.outcome(complete.send()).map(drop)
    }

    /// The path and query of a signed GET, for those who look at the wire.
    pub fn signed_get(&self, bucket: &str, key: &str) -> String {
        let get = self.s3.get_object().bucket(bucket).key(key);
        target(&self.wait(get.presigned(a_minute())).unwrap())
    }

    /// The same of a PUT.
    pub fn signed_put(&self, bucket: &str, key: &str) -> String {
        let put = self.s3.put_object().bucket(bucket).key(key);
        target(&self.wait(put.presigned(a_minute())).unwrap())
    }
}

fn a_minute() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()
}

fn target(request: &aws_sdk_s3::presigning::PresignedRequest) -> String {
    let rest = request.uri().strip_prefix("http://").unwrap();
    rest[rest.find('/').unwrap()..].to_owned()
}

fn refusal<E: ProvideErrorMetadata>(error: SdkError<E>) -> Refusal {
    match &error {
        SdkError::ServiceError(_) => error.code().unwrap_or("no code").to_owned(),
        _ => "no answer".to_owned(),
    }
}
