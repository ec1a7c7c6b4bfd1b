//! A server in this process that answers as the APIs of AWS other than S3 do.

mod request;
mod server;

pub use request::{ApiAnswer, ApiRequest};
pub use server::{ApiFault, AwsApi, AwsService};
