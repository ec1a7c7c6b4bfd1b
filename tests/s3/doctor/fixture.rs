//! A checkup of a bucket, and the service that knows its user.

use std::process::Command;

use testkit::aws_api::{ApiAnswer, ApiRequest, AwsApi, AwsService};
use testkit::cli::checks::Checks;
use testkit::cli::output::CommandOutput;
use testkit::s3_server::server::S3Server;

use crate::support::commands::sparkify;

/// The user whose credentials they are.
pub const USER_ARN: &str = "arn:aws:iam::123456789012:user/etl";

/// Answers whose credentials they are.
struct IdentityService;

impl AwsService for IdentityService {
    fn answer(&mut self, request: &ApiRequest) -> Option<ApiAnswer> {
        (request.action == "GetCallerIdentity").then(|| {
            ApiAnswer::Xml(format!(
                "<UserId>AIDAEXAMPLE</UserId><Account>123456789012</Account><Arn>{USER_ARN}</Arn>"
            ))
        })
    }
}

/// Starts the service.
pub fn identity_api() -> AwsApi {
    AwsApi::start(vec![Box::new(IdentityService)])
}

/// Returns a checkup of the bucket `music`.
pub fn doctor(server: &S3Server, api: &AwsApi) -> Command {
    let arguments = [
        "doctor",
        "--songs",
        "s3://music/songs",
        "--logs",
        "s3://music/logs",
        "--out",
        "s3://music/dataset",
        "--json",
    ];
    let mut command = sparkify(server, &arguments);
    command.env("AWS_ENDPOINT_URL_STS", api.url());
    command
}

/// Runs a checkup to its end.
pub fn run(command: &mut Command) -> Checks {
    Checks::from_output(CommandOutput::run(command))
}
