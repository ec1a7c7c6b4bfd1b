//! An S3 server in this process, which can be made to fail as S3 does.

pub mod bucket_dir;
pub mod error_response;
pub mod fault_proxy;
pub mod faults;
pub mod listing;
pub mod pending_uploads;
pub mod request;
pub mod request_log;
pub mod s3_api;
pub mod sdk_client;
pub mod server;
pub mod truncated_body;
