//! A server in this process that answers as the APIs of AWS other than S3 do.

mod cloud_formation;
mod redshift_clusters;
mod request;
mod secrets_manager;
mod server;
mod serverless;
mod stack_state;
mod temporary_logins;

pub use cloud_formation::CloudFormation;
pub use redshift_clusters::RedshiftClusters;
pub use request::{ApiAnswer, ApiRequest};
pub use secrets_manager::{SecretsManager, StoredSecrets};
pub use server::{ApiFault, AwsApi, AwsService};
pub use serverless::RedshiftServerless;
pub use stack_state::{AccountState, CloudAccount, ClusterState, SnapshotState, StackState};
pub use temporary_logins::TemporaryLogins;
